import CVARKernels

/// Draws the bits of a picture from guided logits (ARCHITECTURE 9.3, 9.7).
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

  /// In place on the conditional rows: `cfg * conditional / tau + (1 - cfg) * unconditional / tau`.
  package func guide(
    _ conditional: UnsafeMutablePointer<Float>, unconditional: UnsafePointer<Float>?, count: Int
  ) {
    let inverse = 1 / tau
    for index in 0..<count {
      let logit = conditional[index] * inverse
      if let unconditional {
        conditional[index] = cfgScale * logit + (1 - cfgScale) * (unconditional[index] * inverse)
      } else {
        conditional[index] = logit
      }
    }
  }

  /// Probability of drawing 1. The less probable value is never drawn when its probability is at most `1 - topP`.
  package func probabilityOfOne(zero: Float, one: Float) -> Float {
    let probability = cvar_sigmoid(one - zero)
    if probability <= 1 - topP { return 0 }
    if 1 - probability <= 1 - topP { return 1 }
    return probability
  }

  /// `bits[tokenCount * bitCount]` from logits `[tokenCount, bitCount, 2]`.
  package func draw(
    _ logits: UnsafePointer<Float>, tokenCount: Int, bitCount: Int, scale: Int,
    into bits: UnsafeMutablePointer<UInt8>
  ) {
    for token in 0..<tokenCount {
      for bit in 0..<bitCount {
        let index = token * bitCount + bit
        let (zero, one) = (logits[2 * index], logits[2 * index + 1])
        if isGreedy {
          bits[index] = one > zero ? 1 : 0
        } else {
          let probability = probabilityOfOne(zero: zero, one: one)
          bits[index] = random.uniform(scale, token, bit) < probability ? 1 : 0
        }
      }
    }
  }
}
