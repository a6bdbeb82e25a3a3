package device

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	_ "github.com/gomlx/go-xla/compute/xla" // registers the "xla" backend

	"github.com/mergeway/mergeway/fault"
)

// DefaultBackend is the backend that every machine has.
const DefaultBackend = "xla:cpu"

// The variables that name the plugins' folder, and keep go-xla from downloading any.
const (
	pluginPathEnv    = "PJRT_PLUGIN_LIBRARY_PATH"
	noAutoInstallEnv = "GOMLX_NO_AUTO_INSTALL"
	cacheEnv         = "MERGEWAY_CACHE" // where scripts/setup keeps the native parts
)

// kernelsOption is an option of a backend's configuration, beside those of go-xla:
// false leaves everything to XLA. See [Device.HasKernels].
const kernelsOption = "own_kernels"

// Options say which device to open.
type Options struct {
	// Backend is GoMLX's name: "xla:cpu" (the default), "xla:cuda", and
	// options after a comma as go-xla reads them; "xla:cpu,own_kernels=false"
	// leaves everything to XLA.
	Backend string
	// PluginDir holds the PJRT plugin. Empty: $PJRT_PLUGIN_LIBRARY_PATH, else
	// the folder that scripts/setup fills.
	PluginDir string
	// Log hears whether the device has kernels of our own. Nil: nobody does.
	Log *slog.Logger
}

// Device is one opened backend. It is safe for concurrent use.
type Device struct {
	backend compute.Backend
	name    string

	kernels bool // of our own, see HasKernels
	log     *slog.Logger
	problem atomic.Pointer[error] // with the kernels, see KernelProblem
	close   sync.Once
	shared  shared
}

// Open starts the backend. A plugin that can't be found or started is
// [fault.Unavailable], with the folder that was searched.
func Open(o Options) (*Device, error) {
	if o.Backend == "" {
		o.Backend = DefaultBackend
	}
	dir, err := pluginDir(o.PluginDir)
	if err != nil {
		return nil, err
	}
	if err := os.Setenv(noAutoInstallEnv, "1"); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "keep go-xla from downloading plugins")
	}
	config, own, err := takeKernelsOption(withPluginPath(o.Backend, dir))
	if err != nil {
		return nil, err
	}
	var backend compute.Backend
	err = Try("open backend "+o.Backend, func() error {
		var err error
		backend, err = compute.NewWithConfig(config)
		return err
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable,
			"backend %q does not start with the plugins in %s (run scripts/setup)", o.Backend, dir)
	}
	d := &Device{backend: backend, name: o.Backend, log: o.Log}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if own && d.IsCPU() {
		d.registerKernels(config)
	}
	return d, nil
}

// pluginDir picks the folder (or list of folders) to search for plugins.
func pluginDir(asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	if dir := os.Getenv(pluginPathEnv); dir != "" {
		return dir, nil
	}
	cache := os.Getenv(cacheEnv)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fault.Wrap(err, fault.Unavailable, "no cache folder to look for the PJRT plugin in; set %s", pluginPathEnv)
		}
		cache = filepath.Join(user, "mergeway")
	}
	lib := filepath.Join(cache, "native", "lib")
	// The CUDA plugin lies beside the libraries it looks for.
	return lib + string(filepath.ListSeparator) + filepath.Join(lib, "nvidia"), nil
}

// withPluginPath replaces the plugin's short name in a backend's configuration
// by its path, if it lies in dir (a folder, or a list of them): "xla:cpu" becomes
// "xla:/…/pjrt_c_api_cpu_plugin.so". go-xla would look for a name in the
// folders that the environment named when the process began, and there is no
// telling it later.
func withPluginPath(backend, dir string) string {
	kind, rest, _ := strings.Cut(backend, ":")
	name, options, more := strings.Cut(rest, ",")
	if kind != "xla" || name == "" || filepath.IsAbs(name) {
		return backend
	}
	for _, folder := range filepath.SplitList(dir) {
		path, err := filepath.Abs(filepath.Join(folder, "pjrt_c_api_"+name+"_plugin.so"))
		if err != nil {
			continue
		}
		if _, err := os.Stat(path); err == nil {
			backend = kind + ":" + path
			if more {
				backend += "," + options
			}
			return backend
		}
	}
	return backend
}

// takeKernelsOption takes [kernelsOption] out of a backend's configuration, which
// go-xla does not know, and gives its value.
func takeKernelsOption(config string) (rest string, own bool, err error) {
	parts := strings.Split(config, ",")
	kept, own := parts[:1], true
	for _, option := range parts[1:] {
		value, ours := strings.CutPrefix(option, kernelsOption+"=")
		if !ours {
			kept = append(kept, option)
			continue
		}
		if own, err = strconv.ParseBool(value); err != nil {
			return "", false, fault.New(fault.Invalid, "backend option %s is %q and not true or false", kernelsOption, value)
		}
	}
	return strings.Join(kept, ","), own, nil
}

// Backend is the GoMLX backend, for executables and tensors.
func (d *Device) Backend() compute.Backend { return d.backend }

// Name is the backend's name as it was asked for, such as "xla:cpu".
func (d *Device) Name() string { return d.name }

// IsCPU tells whether the device is the processor itself.
func (d *Device) IsCPU() bool { return strings.HasPrefix(d.name, DefaultBackend) }

// ComputeDType picks the dtype that a model stored in the given one should
// compute in. Processors without bfloat16 or float16 arithmetic emulate it an
// order of magnitude slower than float32, so there half precision is widened,
// which is exact.
func (d *Device) ComputeDType(stored dtypes.DType) dtypes.DType {
	if d.IsCPU() && stored.IsHalfPrecision() && !nativeBFloat16() {
		return dtypes.Float32
	}
	return stored
}

// nativeBFloat16 tells whether this processor multiplies bfloat16 itself.
func nativeBFloat16() bool {
	if runtime.GOOS != "linux" {
		return false
	}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false
	}
	text := string(info)
	return strings.Contains(text, " avx512_bf16") || strings.Contains(text, " amx_bf16")
}

// Close stops the backend. Tensors on it are no longer valid.
func (d *Device) Close() {
	d.close.Do(func() {
		d.shared.close()
		d.backend.Finalize()
	})
}
