#include "include/CVARDemoModel.h"
