//go:build tools

// Package tools names modules whose files are used, not their code: the definitions of custom resources.
package tools

import _ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil"
