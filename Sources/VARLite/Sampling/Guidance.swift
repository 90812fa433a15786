import VARKernels

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
