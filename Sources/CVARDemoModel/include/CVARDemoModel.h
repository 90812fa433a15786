#pragma once

// The demo model is a resource of a C target: SwiftPM copies it beside the products without the accessor that it
// generates for Swift targets, which would link full Foundation and the build path. `DefaultModel` finds it from the
// program's own place.
