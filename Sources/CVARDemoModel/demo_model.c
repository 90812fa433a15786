// A target needs a source file; this one is about its resource.
#include "CVARDemoModel.h"
