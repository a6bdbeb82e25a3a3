module github.com/mergeway/mergeway

go 1.26.5

require (
	github.com/alicebob/miniredis/v2 v2.40.0
	github.com/daulet/tokenizers v1.24.0
	github.com/gin-gonic/gin v1.12.0
	github.com/goccy/go-yaml v1.19.2
	github.com/gomlx/compute v0.1.6
	github.com/gomlx/go-xla v0.4.5
	github.com/gomlx/gomlx v0.28.8
	github.com/nikolalohinski/gonja/v2 v2.9.1
	github.com/pemistahl/lingua-go v1.4.0
	github.com/redis/go-redis/v9 v9.23.0
	github.com/schollz/progressbar/v3 v3.19.1
	github.com/spf13/cobra v1.10.2
	github.com/stretchr/testify v1.12.1
	github.com/swaggo/swag v1.16.6
	go.etcd.io/bbolt v1.5.0
	gonum.org/v1/gonum v0.17.0
)
