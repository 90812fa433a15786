#include "check_support.h"
#include "include/cvar_checks.h"

typedef struct attention_case {
  int32_t n, heads, kv_heads, head_dim, kv_length, causal, head_begin, head_end;
} attention_case;

// Around blocks of 64 keys, tiles of 6 rows, and every remainder of a head's columns.
static const attention_case cases[] = {
    {1, 1, 1, 8, 1, 0, 0, 1},      {1, 4, 2, 16, 63, 1, 0, 4},   {2, 4, 1, 24, 64, 0, 1, 4},
    {3, 6, 3, 32, 65, 1, 0, 6},    {4, 2, 2, 40, 127, 0, 0, 2},  {5, 7, 1, 64, 128, 1, 0, 7},
    {6, 2, 2, 72, 129, 1, 1, 2},   {7, 3, 1, 80, 60, 1, 0, 3},   {13, 2, 1, 96, 250, 0, 0, 2},
    {70, 2, 2, 128, 1, 1, 0, 2},   {65, 3, 3, 80, 63, 1, 2, 3},  {9, 2, 1, 256, 70, 0, 0, 2},
};

// How keys and values are cached: the type, whether keys come with a bias, and how many sixteenths of the positions lie
// in the body; the others lie in the tail.
typedef struct cache_kind {
  int32_t type, has_bias, body;
} cache_kind;

static const cache_kind kinds[] = {
    {CVAR_F32, 0, 16}, {CVAR_F16, 0, 16}, {CVAR_INT8, 0, 16}, {CVAR_INT8, 1, 16},
    {CVAR_F32, 0, 9},  {CVAR_F16, 0, 5},  {CVAR_INT8, 0, 0},  {CVAR_INT8, 1, 9},
};

typedef struct attention_data {
  cvar_kv kv;
  size_t body_bytes, tail_bytes;  // keys of each; as many for the values
  float *q, *k, *v;               // [position][head][head_dim], rows 3 floats longer
  float *seen_k, *seen_v;         // the same as the cache keeps them
  float *bias, *cos, *sin;
  float scale;
} attention_data;

static int32_t positions(attention_case c) { return c.kv_length + (c.causal ? c.n - 1 : 0); }

static int32_t whole_groups(int32_t count) { return (count + 15) / 16 * 16; }

static float *make_rows(int32_t n, int32_t width, random_source *source) {
  size_t count = (size_t)n * (size_t)(width + 3);
  float *x = allocate(count * sizeof(float));
  // 9 bits, so that half precision holds them exactly.
  for (size_t i = 0; i < count; i++) x[i] = (float)random_int(source, -256, 255) * 0x1p-8f;
  return x;
}

static size_t make_run(cvar_kv_run *run, const cvar_kv *kv, int32_t capacity) {
  size_t heads = (size_t)kv->kv_heads * (size_t)capacity;
  size_t element = kv->type == CVAR_F32 ? 4 : kv->type == CVAR_F16 ? 2 : 1;
  size_t bytes = heads * (size_t)kv->head_dim * element;
  run->capacity = capacity;
  run->keys = memset(allocate_guarded(bytes), 0xff, bytes);
  run->values = memset(allocate_guarded(bytes), 0xff, bytes);
  run->key_scales = memset(allocate_guarded(heads * 4), 0xff, heads * 4);
  run->value_scales = memset(allocate_guarded(heads * 4), 0xff, heads * 4);
  return bytes;
}

// Keys and values in two calls, in a cache full of NaNs, so that a key past the length would show.
static void make_cache(cvar_isa isa, attention_case c, cache_kind kind, attention_data *data) {
  int32_t width = c.kv_heads * c.head_dim, end = positions(c), middle = end / 3;
  data->kv = (cvar_kv){.type = kind.type, .kv_heads = c.kv_heads, .head_dim = c.head_dim};
  if (kind.has_bias) {
    data->kv.key_bias = data->bias;
    data->kv.cos = data->cos;
    data->kv.sin = data->sin;
  }
  int32_t body = whole_groups(end * kind.body / 16);
  data->body_bytes = make_run(&data->kv.body, &data->kv, body);
  data->tail_bytes = make_run(&data->kv.tail, &data->kv, whole_groups(end) - body);
  const cvar_kernels *kernels = cvar_kernels_for(isa);
  kernels->kv_store(&data->kv, 0, middle, data->k, width + 3, data->v, width + 3);
  kernels->kv_store(&data->kv, middle, end - middle, data->k + middle * (width + 3), width + 3,
                    data->v + middle * (width + 3), width + 3);
}

// The rotated bias of one position and head, in the tables' order.
static void rotate_bias(const attention_data *data, attention_case c, int32_t position, int32_t head,
                        float *out) {
  int32_t half = c.head_dim / 2;
  for (int32_t i = 0; i < half; i++) {
    float x = data->bias[head * c.head_dim + i], y = data->bias[head * c.head_dim + i + half];
    float cosine = data->cos[(position / 16 * half + i) * 16 + position % 16];
    float sine = data->sin[(position / 16 * half + i) * 16 + position % 16];
    out[i] = fmaf(x, cosine, -(y * sine));
    out[i + half] = fmaf(x, sine, y * cosine);
  }
}

// A head as int8 keeps it.
static void round_head(const float *x, const float *offset, int32_t count, float *seen) {
  float max = 0;
  for (int32_t d = 0; d < count; d++) max = fmaxf(max, fabsf(x[d] - offset[d]));
  for (int32_t d = 0; d < count; d++) {
    seen[d] = offset[d];
    if (max == 0) continue;
    float code = nearbyintf((x[d] - offset[d]) * (127 / max));
    seen[d] = fmaf(fminf(fmaxf(code, -127), 127), max / 127, offset[d]);
  }
}

static void see(attention_data *data, attention_case c, cache_kind kind) {
  int32_t width = c.kv_heads * c.head_dim + 3;
  for (int32_t at = 0; at < positions(c); at++) {
    for (int32_t h = 0; h < c.kv_heads; h++) {
      float offset[CVAR_MAX_HEAD_DIM] = {0}, zero[CVAR_MAX_HEAD_DIM] = {0};
      ptrdiff_t row = (ptrdiff_t)at * width + h * c.head_dim;
      if (kind.has_bias) rotate_bias(data, c, at, h, offset);
      round_head(data->k + row, offset, c.head_dim, data->seen_k + row);
      round_head(data->v + row, zero, c.head_dim, data->seen_v + row);
    }
  }
}

static void make_rotation(attention_data *data, attention_case c, random_source *source) {
  size_t table = (size_t)(whole_groups(positions(c)) * c.head_dim / 2);
  data->bias = allocate((size_t)(c.kv_heads * c.head_dim) * sizeof(float));
  data->cos = allocate(table * sizeof(float));
  data->sin = allocate(table * sizeof(float));
  for (int32_t i = 0; i < c.kv_heads * c.head_dim; i++) data->bias[i] = random_float(source) * 4;
  for (size_t i = 0; i < table; i++) {
    float angle = random_float(source) * 4;
    data->cos[i] = cosf(angle);
    data->sin[i] = sinf(angle);
  }
}

static attention_data make_data(attention_case c, cache_kind kind, random_source *source) {
  int32_t width = c.kv_heads * c.head_dim, end = positions(c);
  size_t row_bytes = (size_t)(width + 3) * sizeof(float), bytes = (size_t)end * row_bytes;
  attention_data data = {.scale = 3 / sqrtf((float)c.head_dim)};
  data.q = make_rows(c.n, c.heads * c.head_dim, source);
  data.k = make_rows(end, width, source);
  data.v = make_rows(end, width, source);
  // A head of zeros has scale 0.
  memset(data.v + (end - 1) * (width + 3), 0, row_bytes);
  make_rotation(&data, c, source);
  data.seen_k = memcpy(allocate(bytes), data.k, bytes);
  data.seen_v = memcpy(allocate(bytes), data.v, bytes);
  if (kind.type == CVAR_INT8) see(&data, c, kind);
  return data;
}

static void release_run(const cvar_kv_run *run) {
  release_guarded(run->keys);
  release_guarded(run->values);
  release_guarded(run->key_scales);
  release_guarded(run->value_scales);
}

static void release_cache(attention_data *data) {
  release_run(&data->kv.body);
  release_run(&data->kv.tail);
}

static void release_data(attention_data *data) {
  free(data->q);
  free(data->k);
  free(data->v);
  free(data->seen_k);
  free(data->seen_v);
  free(data->bias);
  free(data->cos);
  free(data->sin);
}

static size_t out_bytes(attention_case c) {
  return (size_t)c.n * (size_t)(c.heads * c.head_dim + 5) * sizeof(float);
}

static float *attend(cvar_isa isa, attention_case c, const attention_data *data) {
  float *out = allocate_guarded(out_bytes(c));
  int32_t width = c.heads * c.head_dim;
  cvar_kernels_for(isa)->attention(&data->kv, data->q, width + 3, c.n, c.heads, c.head_begin,
                                   c.head_end, c.kv_length, c.causal, data->scale, out, width + 5);
  return out;
}

// Whether two runs differ anywhere.
static int differ(const cvar_kv *kv, const cvar_kv_run *a, const cvar_kv_run *b, size_t bytes) {
  size_t scales = (size_t)(kv->kv_heads * a->capacity) * sizeof(float);
  return first_difference(a->keys, b->keys, bytes) != PTRDIFF_MIN ||
         first_difference(a->values, b->values, bytes) != PTRDIFF_MIN ||
         first_difference(a->key_scales, b->key_scales, scales) != PTRDIFF_MIN ||
         first_difference(a->value_scales, b->value_scales, scales) != PTRDIFF_MIN;
}

// A key or a value that is no number reaches every output of the heads that read it, whatever the cache's type.
static void check_nan(cvar_isa isa, attention_case c, cache_kind kind, random_source *source,
                      cvar_report *report) {
  for (int32_t in_value = 0; in_value < 2; in_value++) {
    attention_data data = make_data(c, kind, source);
    const int32_t group_heads = c.heads / c.kv_heads, kv_head = c.head_begin / group_heads;
    float *head = (in_value ? data.v : data.k) + kv_head * c.head_dim;
    // A score is a sum over a key; each column of a value has outputs of its own.
    for (int32_t d = 0; d < c.head_dim; d++) {
      if (in_value || d == c.head_dim / 3) head[d] = NAN;
    }
    make_cache(isa, c, kind, &data);
    float *out = attend(isa, c, &data);
    int32_t numbers = 0;
    for (int32_t i = 0; i < c.n; i++) {
      const float *row = out + i * (c.heads * c.head_dim + 5) + c.head_begin * c.head_dim;
      for (int32_t d = 0; d < c.head_dim; d++) numbers += !isnan(row[d]);
    }
    if (numbers > 0) {
      REPORT(report, "attention %s: type %d bias %d head_dim %d: %d outputs are numbers behind a NaN in a %s",
             cvar_isa_name(isa), kind.type, kind.has_bias, c.head_dim, numbers,
             in_value ? "value" : "key");
    }
    release_guarded(out);
    release_cache(&data);
    release_data(&data);
  }
}

cvar_report cvar_check_attention(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int i = 0; i < COUNT(cases) * COUNT(kinds); i++) {
    attention_case c = cases[i / COUNT(kinds)];
    cache_kind kind = kinds[i % COUNT(kinds)];
    attention_data data = make_data(c, kind, &source), other = data;
    make_cache(CVAR_ISA_SCALAR, c, kind, &data);
    make_cache(isa, c, kind, &other);
    int body = differ(&data.kv, &data.kv.body, &other.kv.body, data.body_bytes);
    int tail = differ(&data.kv, &data.kv.tail, &other.kv.tail, data.tail_bytes);
    float *expected = attend(CVAR_ISA_SCALAR, c, &data), *found = attend(isa, c, &other);
    ptrdiff_t difference = first_difference(expected, found, out_bytes(c));
    if (body || tail || difference != PTRDIFF_MIN) {
      REPORT(&report,
             "attention %s: type %d bias %d body %d/16 n %d heads %d/%d head_dim %d keys %d causal %d "
             "seed %llu: body differs %d, tail differs %d, first differing byte of the output %td",
             cvar_isa_name(isa), kind.type, kind.has_bias, kind.body, c.n, c.heads, c.kv_heads,
             c.head_dim, c.kv_length, c.causal, (unsigned long long)seed, body, tail, difference);
    }
    release_guarded(expected);
    release_guarded(found);
    release_cache(&data);
    release_cache(&other);
    release_data(&data);
    check_nan(isa, c, kind, &source, &report);
  }
  return report;
}

// With u = 2^-24: a score is off by e = (head_dim + 1) u scale sum|q k|, an exponential relatively
// by 2 e, the rounding of the difference (range u) and its own 2 u; each block adds one correction
// factor with the same. The weighted sums of numerator and denominator take a rounding per key.
static void check_query(attention_case c, const attention_data *data, const float *out, int32_t i,
                        int32_t h, cvar_report *report) {
  const double u = 0x1p-24;
  int32_t length = c.kv_length + (c.causal ? i : 0), kv_width = c.kv_heads * c.head_dim + 3;
  ptrdiff_t kv_column = (ptrdiff_t)(h / (c.heads / c.kv_heads)) * c.head_dim;
  const float *q = data->q + i * (c.heads * c.head_dim + 3) + h * c.head_dim;
  double *p = allocate((size_t)length * sizeof *p);
  double max = -INFINITY, min = INFINITY, score_error = 0, total = 0;
  for (int32_t j = 0; j < length; j++) {
    const float *k = data->seen_k + j * kv_width + kv_column;
    double dot = 0, magnitude = 0;
    for (int32_t d = 0; d < c.head_dim; d++) {
      dot += (double)q[d] * k[d];
      magnitude += fabs((double)q[d] * k[d]);
    }
    p[j] = dot * data->scale;
    max = fmax(max, p[j]);
    min = fmin(min, p[j]);
    score_error = fmax(score_error, (c.head_dim + 1) * u * data->scale * magnitude);
  }
  for (int32_t j = 0; j < length; j++) total += p[j] = exp(p[j] - max);
  double blocks = ceil(length / 64.0);
  double error = 2 * score_error + (max - min) * u + (4 + blocks * 4) * u;
  for (int32_t d = 0; d < c.head_dim; d++) {
    double sum = 0, magnitude = 0;
    for (int32_t j = 0; j < length; j++) {
      double term = p[j] / total * data->seen_v[j * kv_width + kv_column + d];
      sum += term;
      magnitude += fabs(term);
    }
    double bound = 2 * (error + (length + 20) * u) * magnitude;
    if (!(fabs(out[d] - sum) <= bound)) {
      REPORT(report, "attention scalar: head_dim %d query %d head %d column %d: expected %.9g, "
             "found %.9g, bound %.3g", c.head_dim, i, h, d, sum, out[d], bound);
    }
  }
  free(p);
}

// Where the positions lie changes nothing.
static void check_tail(attention_case c, cache_kind kind, attention_data *data, const float *out,
                       cvar_report *report) {
  attention_data whole = *data;
  kind.body = 16;
  make_cache(CVAR_ISA_SCALAR, c, kind, &whole);
  float *expected = attend(CVAR_ISA_SCALAR, c, &whole);
  ptrdiff_t difference = first_difference(expected, out, out_bytes(c));
  if (difference != PTRDIFF_MIN) {
    REPORT(report, "attention scalar: type %d head_dim %d keys %d: the tail changes byte %td of the output",
           kind.type, c.head_dim, c.kv_length, difference);
  }
  release_guarded(expected);
  release_cache(&whole);
}

cvar_report cvar_check_attention_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int at = 0; at < COUNT(cases) * COUNT(kinds); at++) {
    attention_case c = cases[at / COUNT(kinds)];
    cache_kind kind = kinds[at % COUNT(kinds)];
    attention_data data = make_data(c, kind, &source);
    make_cache(CVAR_ISA_SCALAR, c, kind, &data);
    float *out = attend(CVAR_ISA_SCALAR, c, &data);
    for (int32_t i = 0; i < c.n; i++) {
      for (int32_t h = c.head_begin; h < c.head_end; h++) {
        const float *row = out + i * (c.heads * c.head_dim + 5) + h * c.head_dim;
        check_query(c, &data, row, i, h, &report);
      }
    }
    check_tail(c, kind, &data, out, &report);
    check_nan(CVAR_ISA_SCALAR, c, kind, &source, &report);
    release_guarded(out);
    release_cache(&data);
    release_data(&data);
  }
  return report;
}

// A bias some hundred times as large as what stands beside it, as some models have it in their keys: the worst
// difference of the output from that of a cache in floats.
static double bias_error(int32_t knows_bias) {
  const attention_case c = {5, 2, 1, 64, 90, 1, 0, 2};
  random_source source = {3};
  attention_data data = make_data(c, (cache_kind){.type = CVAR_F32}, &source), exact = data;
  // Three pairs of columns carry it; the queries look elsewhere.
  for (int32_t i = 0; i < c.head_dim; i++) {
    int32_t carries = i % 32 < 3;
    data.bias[i] = carries ? 300 + 100 * random_float(&source) : 0;
    for (int32_t row = 0; carries && row < c.n * c.heads; row++) {
      data.q[row / c.heads * (c.heads * c.head_dim + 3) + row % c.heads * c.head_dim + i] = 0;
    }
  }
  for (int32_t at = 0; at < positions(c); at++) {
    float offset[CVAR_MAX_HEAD_DIM];
    rotate_bias(&data, c, at, 0, offset);
    for (int32_t d = 0; d < c.head_dim; d++) data.k[at * (c.head_dim + 3) + d] += offset[d];
  }
  make_cache(CVAR_ISA_SCALAR, c, (cache_kind){CVAR_F32, 0, 16}, &exact);
  make_cache(CVAR_ISA_SCALAR, c, (cache_kind){CVAR_INT8, knows_bias, 16}, &data);
  float *expected = attend(CVAR_ISA_SCALAR, c, &exact), *found = attend(CVAR_ISA_SCALAR, c, &data);
  double worst = 0;
  for (int32_t i = 0; i < c.n; i++) {
    for (int32_t d = 0; d < c.heads * c.head_dim; d++) {
      ptrdiff_t at = (ptrdiff_t)i * (c.heads * c.head_dim + 5) + d;
      double difference = fabs((double)expected[at] - found[at]);
      if (difference > worst) worst = difference;
    }
  }
  release_guarded(expected);
  release_guarded(found);
  release_cache(&exact);
  release_cache(&data);
  release_data(&data);
  return worst;
}

cvar_report cvar_check_key_bias(void) {
  cvar_report report = {0};
  double known = bias_error(1), unknown = bias_error(0);
  // The codes' step is 1/127, the biased ones' some 300 times that: their keys are all but lost.
  if (!(known < 0.01 && unknown > 0.1)) {
    REPORT(&report, "int8 keys with a large bias: off by %.3g where the bias is kept apart, by %.3g where not",
           known, unknown);
  }
  return report;
}
