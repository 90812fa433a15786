import VAREvaluation

extension ModelAccuracy {
  /// Headings of `row`.
  package static let headings = [
    "bits/weight", "output error", "bits equal", "KL/bit", "KL/token", "answers equal",
  ]

  /// The measures for people, as many as there are headings.
  package var row: [String] {
    let vqa = outcomes.parts.first { $0.name == "vqa" }
    return [
      bitsPerWeight.map { Figure.text($0, digits: 2) } ?? "-",
      Figure.percent(outputError),
      bits.count > 0 ? Figure.percent(bits.sameTop) : "-",
      bits.count > 0 ? Figure.nats(bits.kl.overCases) : "-",
      words.count > 0 ? Figure.nats(words.kl.overCases) : "-",
      vqa.flatMap { part in part.sameAnswers.map { "\($0) of \(part.caseCount)" } } ?? "-",
    ]
  }

  /// What was right in one of both runs alone, a line for each kind of case; then how pictures are seen.
  package var outcomeLines: [String] {
    let lines = outcomes.parts.map { part in
      let interval = part.rightShare
      return "\(part.name): \(part.rightCount) of \(part.caseCount) right "
        + "(\(Figure.text(interval.lowerBound * 100, digits: 1)) to "
        + "\(Figure.text(interval.upperBound * 100, digits: 1)) %), the reference "
        + "\(part.bothRight + part.onlyReferenceRight); \(part.onlyReferenceRight) lost, "
        + "\(part.onlyThisRight) gained"
    }
    let bound =
      wordsLeftOut > 0
      ? [
        "KL/token is a lower bound: the reference's less probable tokens, "
          + "\(Figure.text(wordsLeftOut * 100, digits: 4)) % together, count as one"
      ] : []
    guard pictureCosines.count > 0 else { return lines + bound }
    let least = pictureCosines.quantiles([0])[0]
    return lines + bound + [
      "embeddings of pictures: cosine \(Figure.text(pictureCosines.mean, digits: 6)), "
        + "\(Figure.text(least, digits: 6)) at least"
    ]
  }

  /// How far pictures of the same seed are apart, a line for each.
  package var pictureLines: [String] {
    pictures.enumerated().map { index, pair in
      "picture \(index + 1): \(Figure.text(pair.psnr, digits: 2)) dB PSNR, "
        + "\(Figure.text(pair.similarity, digits: 4)) SSIM"
    }
  }

  /// The layers that are furthest off, in one line.
  package var worstLayersLine: String {
    let layers = worstLayers(3).map { "\($0.name) \(Figure.text($0.error * 100, digits: 2)) %" }
    return "furthest off: " + layers.joined(separator: ", ")
  }

  /// The distribution of divergences, with columns for bits and for tokens.
  package var distribution: [[String]] {
    let columns = [("bits", bits), ("tokens", words)].filter { $0.1.count > 0 }
    guard !columns.isEmpty else { return [] }
    let all = columns.map(\.1)
    func row(_ name: String, _ value: (Divergence) -> String) -> [String] {
      [name] + all.map(value)
    }
    let (names, shares) = (Divergence.shares.map(\.name), Divergence.shares.map(\.share))
    let quantiles = all.map { $0.kl.quantiles(shares) }
    let head = [
      [""] + columns.map(\.0), row("count") { "\($0.count)" },
      row("KLD mean") { Figure.nats($0.kl.overCases) },
    ]
    return head
      + names.enumerated().map { index, name in
        ["KLD \(name)"] + quantiles.map { Figure.nats($0[index]) }
      }
      + [
        row("Δp mean") { Figure.percent($0.probabilityChange.overCases) },
        row("Δp RMS") { Figure.percent($0.probabilityChange.rootMeanSquare) },
        row("same top") { Figure.percent($0.sameTop) },
        row("perplexity") { Figure.text($0.perplexity, digits: 5) },
        row("of the reference") { Figure.text($0.referencePerplexity, digits: 5) },
      ]
  }
}

/// Figures as people read them.
enum Figure {
  /// Two digits and a power of ten.
  static func nats(_ value: Double) -> String {
    // What rounding leaves of nothing.
    guard abs(value) >= 1e-12 else { return "0" }
    var (mantissa, exponent) = (value, 0)
    while abs(mantissa) < 0.995 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
    while abs(mantissa) >= 9.95 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    return text(mantissa, digits: 1) + (exponent == 0 ? "" : "e\(exponent)")
  }

  /// A mean with its standard error, where there is one, in units of 1e-5 nats.
  static func nats(_ mean: CaseMean) -> String {
    text(mean.mean * 1e5, digits: 1) + error(mean, times: 1e5, digits: 1) + "e-5"
  }

  static func percent(_ share: Double) -> String { text(share * 100, digits: 3) + " %" }

  static func percent(_ mean: CaseMean) -> String {
    text(mean.mean * 100, digits: 3) + error(mean, times: 100, digits: 3) + " %"
  }

  private static func error(_ mean: CaseMean, times factor: Double, digits: Int) -> String {
    mean.standardError.map { " ± " + text($0 * factor, digits: digits) } ?? ""
  }

  static func text(_ value: Double, digits: Int) -> String {
    var unit = 1.0
    for _ in 0..<digits { unit *= 10 }
    return "\((value * unit).rounded() / unit)"
  }
}
