// Package nsga2 is the elitist genetic algorithm NSGA-II (Deb et al. 2002) over the
// unit cube, for searches with several objectives: simulated binary crossover,
// polynomial mutation, and survival by front and crowding.
//
// Like all optimizers it is ask and tell: what it proposes is a function of its
// state, the generation and the index. Survivors keep the values that they were told;
// where each generation is scored on a sample of its own, a lucky one lives long.
package nsga2
