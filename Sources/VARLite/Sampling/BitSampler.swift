import CVARKernels
import VARKernels

/// Draws the bits of a picture from guided logits (MODEL 9.3, 9.7).
package struct BitSampler: Sendable {
  package var cfgScale: Float
  package var tau: Float
  package var topP: Float
  /// Takes the more probable value instead of drawing.
  package var isGreedy: Bool
  package var random: CounterRandom

  package init(
    cfgScale: Float, tau: Float, topP: Float, isGreedy: Bool, random: CounterRandom
  ) {
    self.cfgScale = cfgScale
    self.tau = tau
    self.topP = topP
    self.isGreedy = isGreedy
    self.random = random
  }

  /// Probability of drawing 1. The less probable value is never drawn when its probability is at most `1 - topP`.
  package func probabilityOfOne(zero: Float, one: Float) -> Float {
    let probability = cvar_sigmoid(one - zero)
    if probability <= 1 - topP { return 0 }
    if 1 - probability <= 1 - topP { return 1 }
    return probability
  }

  /// `bits` = drawn bits, one for each pair of logits; a row of logits is a token of a scale.
  package func draw(_ logits: Rows, scale: Int, into bits: UnsafeMutablePointer<UInt8>) {
    let bitCount = logits.columns / 2
    for token in 0..<logits.count {
      let pairs = logits[token]
      for bit in 0..<bitCount {
        let (zero, one) = (pairs[2 * bit], pairs[2 * bit + 1])
        if isGreedy {
          bits[token * bitCount + bit] = one > zero ? 1 : 0
        } else {
          let probability = probabilityOfOne(zero: zero, one: one)
          let draw = random.uniform(scale, token, bit)
          bits[token * bitCount + bit] = draw < probability ? 1 : 0
        }
      }
    }
  }
}
