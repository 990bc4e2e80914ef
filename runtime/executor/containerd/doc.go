// Package containerd runs tasks as containers of a containerd.
package containerd
