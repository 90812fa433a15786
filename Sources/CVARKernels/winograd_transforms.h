#pragma once
// Winograd's F(4x4, 3x3): 4x4 outputs of a 3x3 convolution from a patch of 6x6 inputs by 36 products a channel
// instead of 144. Y = A' [ (G g G') * (B' d B) ] A with the interpolation points 0, +-5/8, +-3/2 and infinity. Every
// constant of B and A is exact in f32, and rounding errors are half of what the usual points 0, +-1, +-2 give: about
// 1.6 times those of the plain sum.
//
// Included with LANE (float, or a vector of outputs that do not meet), LANE_SPLAT(x) and LANE_FMA(a, b, c) defined, so
// that the reference and the instruction sets do the same operations in the same order.

// Points p and q, products and powers of them.
#define POINT_P 0x1.4p-1f    // 5/8
#define POINT_Q 0x1.8p0f     // 3/2
#define POINT_P2 0x1.9p-2f   // p^2 = 25/64
#define POINT_Q2 0x1.2p1f    // q^2 = 9/4
#define POINT_P3 0x1.f4p-3f  // p^3 = 125/512
#define POINT_Q3 0x1.bp1f    // q^3 = 27/8
#define POINTS_SUM 0x1.52p1f      // p^2 + q^2 = 169/64
#define POINTS_PRODUCT 0x1.c2p-1f // p^2 q^2 = 225/256

// One axis of B' d.
CVAR_INLINE void winograd_input_axis(const LANE d[6], LANE v[6]) {
  const LANE p = LANE_SPLAT(POINT_P), q = LANE_SPLAT(POINT_Q);
  const LANE minus_p2 = LANE_SPLAT(-POINT_P2), minus_q2 = LANE_SPLAT(-POINT_Q2);
  const LANE minus_sum = LANE_SPLAT(-POINTS_SUM), product = LANE_SPLAT(POINTS_PRODUCT);
  LANE even_p = LANE_FMA(minus_q2, d[2], d[4]), odd_p = LANE_FMA(minus_q2, d[1], d[3]);
  LANE even_q = LANE_FMA(minus_p2, d[2], d[4]), odd_q = LANE_FMA(minus_p2, d[1], d[3]);
  v[0] = LANE_FMA(product, d[0], LANE_FMA(minus_sum, d[2], d[4]));
  v[1] = LANE_FMA(p, odd_p, even_p);
  v[2] = LANE_FMA(-p, odd_p, even_p);
  v[3] = LANE_FMA(q, odd_q, even_q);
  v[4] = LANE_FMA(-q, odd_q, even_q);
  v[5] = LANE_FMA(product, d[1], LANE_FMA(minus_sum, d[3], d[5]));
}

// One axis of G g.
CVAR_INLINE void winograd_weights_axis(const LANE g[3], LANE u[6]) {
  const LANE scale_0 = LANE_SPLAT(1 / POINTS_PRODUCT);
  const LANE scale_p = LANE_SPLAT(1 / (2 * POINT_P2 * (POINT_P2 - POINT_Q2)));
  const LANE scale_q = LANE_SPLAT(1 / (2 * POINT_Q2 * (POINT_Q2 - POINT_P2)));
  LANE even_p = LANE_FMA(LANE_SPLAT(POINT_P2), g[2], g[0]);
  LANE even_q = LANE_FMA(LANE_SPLAT(POINT_Q2), g[2], g[0]);
  u[0] = g[0] * scale_0;
  u[1] = LANE_FMA(LANE_SPLAT(POINT_P), g[1], even_p) * scale_p;
  u[2] = LANE_FMA(LANE_SPLAT(-POINT_P), g[1], even_p) * scale_p;
  u[3] = LANE_FMA(LANE_SPLAT(POINT_Q), g[1], even_q) * scale_q;
  u[4] = LANE_FMA(LANE_SPLAT(-POINT_Q), g[1], even_q) * scale_q;
  u[5] = g[2];
}

// One axis of A' m.
CVAR_INLINE void winograd_output_axis(const LANE m[6], LANE y[4]) {
  LANE sum_p = m[1] + m[2], difference_p = m[1] - m[2];
  LANE sum_q = m[3] + m[4], difference_q = m[3] - m[4];
  y[0] = (m[0] + sum_p) + sum_q;
  y[1] = LANE_FMA(LANE_SPLAT(POINT_Q), difference_q, LANE_SPLAT(POINT_P) * difference_p);
  y[2] = LANE_FMA(LANE_SPLAT(POINT_Q2), sum_q, LANE_SPLAT(POINT_P2) * sum_p);
  y[3] = LANE_FMA(LANE_SPLAT(POINT_Q3), difference_q,
                  LANE_FMA(LANE_SPLAT(POINT_P3), difference_p, m[5]));
}
