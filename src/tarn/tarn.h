// Everything a program needs.
#pragma once

#include "tarn/base/failure.h"
#include "tarn/base/version.h"
#include "tarn/graph/array.h"
#include "tarn/graph/eval.h"
#include "tarn/graph/origin.h"
#include "tarn/graph/primitive.h"
#include "tarn/graph/print.h"
#include "tarn/io/load.h"
#include "tarn/io/save.h"
#include "tarn/ops/functions.h"
#include "tarn/runtime/event.h"
#include "tarn/runtime/memory.h"
#include "tarn/runtime/record_failure.h"
#include "tarn/runtime/scheduler.h"
#include "tarn/runtime/streams.h"
