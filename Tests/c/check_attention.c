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

static const int32_t types[] = {CVAR_F32, CVAR_F16};

typedef struct attention_data {
  cvar_kv kv;
  size_t kv_bytes;
  float *q, *k, *v;  // [position][head][head_dim], rows 3 floats longer
  float scale;
} attention_data;

static int32_t positions(attention_case c) { return c.kv_length + (c.causal ? c.n - 1 : 0); }

static float *make_rows(int32_t n, int32_t width, random_source *source) {
  size_t count = (size_t)n * (size_t)(width + 3);
  float *x = allocate(count * sizeof(float));
  // 9 bits, so that half precision holds them exactly.
  for (size_t i = 0; i < count; i++) x[i] = (float)random_int(source, -256, 255) * 0x1p-8f;
  return x;
}

// Keys and values in two calls, in a cache full of NaNs, so that a key past the length would show.
static void make_cache(cvar_isa isa, attention_case c, int32_t type, attention_data *data) {
  int32_t width = c.kv_heads * c.head_dim, end = positions(c), middle = end / 3;
  data->kv = (cvar_kv){type, c.kv_heads, c.head_dim, (end + 63) / 64 * 64, NULL, NULL};
  data->kv_bytes = (size_t)width * (size_t)data->kv.capacity * (type == CVAR_F32 ? 4 : 2);
  data->kv.keys = memset(allocate_guarded(data->kv_bytes), 0xff, data->kv_bytes);
  data->kv.values = memset(allocate_guarded(data->kv_bytes), 0xff, data->kv_bytes);
  const cvar_kernels *kernels = cvar_kernels_for(isa);
  kernels->kv_store(&data->kv, 0, middle, data->k, width + 3, data->v, width + 3);
  kernels->kv_store(&data->kv, middle, end - middle, data->k + middle * (width + 3), width + 3,
                    data->v + middle * (width + 3), width + 3);
}

static attention_data make_data(attention_case c, random_source *source) {
  attention_data data = {.scale = 3 / sqrtf((float)c.head_dim)};
  data.q = make_rows(c.n, c.heads * c.head_dim, source);
  data.k = make_rows(positions(c), c.kv_heads * c.head_dim, source);
  data.v = make_rows(positions(c), c.kv_heads * c.head_dim, source);
  return data;
}

static void release_cache(attention_data *data) {
  release_guarded(data->kv.keys);
  release_guarded(data->kv.values);
}

static void release_data(attention_data *data) {
  free(data->q);
  free(data->k);
  free(data->v);
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

cvar_report cvar_check_attention(cvar_isa isa, uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int i = 0; i < COUNT(cases) * COUNT(types); i++) {
    attention_case c = cases[i / COUNT(types)];
    attention_data data = make_data(c, &source), other = data;
    make_cache(CVAR_ISA_SCALAR, c, types[i % COUNT(types)], &data);
    make_cache(isa, c, types[i % COUNT(types)], &other);
    ptrdiff_t key = first_difference(data.kv.keys, other.kv.keys, data.kv_bytes);
    ptrdiff_t value = first_difference(data.kv.values, other.kv.values, data.kv_bytes);
    float *expected = attend(CVAR_ISA_SCALAR, c, &data), *found = attend(isa, c, &other);
    ptrdiff_t difference = first_difference(expected, found, out_bytes(c));
    if (key != PTRDIFF_MIN || value != PTRDIFF_MIN || difference != PTRDIFF_MIN) {
      REPORT(&report,
             "attention %s: type %d n %d heads %d/%d head_dim %d keys %d causal %d seed %llu: "
             "first differing byte of keys %td, values %td, output %td",
             cvar_isa_name(isa), types[i % COUNT(types)], c.n, c.heads, c.kv_heads, c.head_dim,
             c.kv_length, c.causal, (unsigned long long)seed, key, value, difference);
    }
    release_guarded(expected);
    release_guarded(found);
    release_cache(&data);
    release_cache(&other);
    release_data(&data);
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
    const float *k = data->k + j * kv_width + kv_column;
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
      double term = p[j] / total * data->v[j * kv_width + kv_column + d];
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

cvar_report cvar_check_attention_reference(uint64_t seed) {
  cvar_report report = {0};
  random_source source = {seed};
  for (int at = 0; at < COUNT(cases) * COUNT(types); at++) {
    attention_case c = cases[at / COUNT(types)];
    attention_data data = make_data(c, &source);
    make_cache(CVAR_ISA_SCALAR, c, types[at % COUNT(types)], &data);
    float *out = attend(CVAR_ISA_SCALAR, c, &data);
    for (int32_t i = 0; i < c.n; i++) {
      for (int32_t h = c.head_begin; h < c.head_end; h++) {
        const float *row = out + i * (c.heads * c.head_dim + 5) + h * c.head_dim;
        check_query(c, &data, row, i, h, &report);
      }
    }
    release_guarded(out);
    release_cache(&data);
    release_data(&data);
  }
  return report;
}
