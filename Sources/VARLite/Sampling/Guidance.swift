import VARKernels

/// Classifier-free guidance, from its beginning to its end:
///
///     ImageDrawing      branches: 2, or 1 where the CFG scale is 1, half the work; fine scales can have 1, too
///     ScaleStep         rows of both branches go through every layer together
///     DrawingPass       the conditional branch goes on with the conversation, the other has no history
///     ScaleTransformer  the other's text features are learned ones, `cfg_uncond`
///     here              the logits of both become one
extension BitSampler {
  /// In place on the conditional rows: `cfg * conditional / tau + (1 - cfg) * unconditional / tau`.
  package func guide(_ conditional: Rows, unconditional: Rows?) {
    let inverse = 1 / tau
    let (logits, others) = (conditional.values, unconditional?.values)
    precondition(others.map { $0.count == logits.count } ?? true, "branches of other sizes")
    for index in logits.indices {
      let logit = logits[index] * inverse
      if let others {
        logits[index] = cfgScale * logit + (1 - cfgScale) * (others[index] * inverse)
      } else {
        logits[index] = logit
      }
    }
  }
}
