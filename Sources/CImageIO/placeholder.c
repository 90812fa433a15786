#include "include/CImageIO.h"
