// Checks a bundle with the validator of OCI runtime-tools; all but its JSON schema, which it would download.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/runtime-tools/validate"
)

func main() {
	validator, err := validate.NewValidatorFromPath(os.Args[1], true, "linux")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := 0
	for _, check := range []func() error{
		func() error { return validator.CheckPlatform() },
		func() error { return validator.CheckRoot() },
		func() error { return validator.CheckMandatoryFields() },
		func() error { return validator.CheckMounts() },
		func() error { return validator.CheckProcess() },
		func() error { return validator.CheckLinux() },
		func() error { return validator.CheckAnnotations() },
		func() error { return validator.CheckHooks() },
	} {
		// Some return an empty list of errors.
		if err := check(); err != nil && !strings.HasPrefix(err.Error(), "0 errors") {
			fmt.Println(err)
			code = 1
		}
	}
	os.Exit(code)
}
