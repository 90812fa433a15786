import VARVision

/// Accuracies as one page of HTML, which loads nothing from anywhere.
package struct AccuracyReport {
  private let results: [ModelAccuracy]
  private let heading: [(name: String, value: String)]

  /// - Parameter heading: what was measured, on what, and when.
  package init(_ results: [ModelAccuracy], heading: [(name: String, value: String)]) {
    self.results = results
    self.heading = heading
  }

  /// - Throws: where a picture cannot be encoded.
  package func html() throws(ImageError) -> String {
    var body = HTML.tag("h1", "Accuracy of quantized models")
    body += HTML.table(heading.map { [HTML.escaped($0.name), HTML.escaped($0.value)] })
    body += HTML.table(
      [["model"] + ModelAccuracy.headings.map(HTML.escaped)]
        + results.map { [HTML.escaped($0.path)] + $0.row.map(HTML.escaped) }, hasHeader: true)
    body += Self.explanations
    for result in results { body += try section(result) }
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
      <title>Accuracy of quantized models</title>
      <style>
      \(HTML.style)
      </style>
      </head>
      <body>
      \(body)
      </body>
      </html>

      """
  }

  private static let explanations = """
    <dl>
    <dt>Does it draw what the reference draws?</dt>
    <dd>Bits equal: all models get the same words, pictures and bits, and say how probable each next bit is.</dd>
    <dt>How far off are its probabilities?</dt>
    <dd>KL, the Kullback-Leibler divergence from the reference, in nats, of a bit and of a token of an answer.
    Its mean hangs on few bits; the median and the quantiles tell how the rest is. ± is a standard error over cases:
    two models whose means differ by less than twice that are not told apart.</dd>
    <dt>Where does the error come from?</dt>
    <dd>Output error: how far each layer's output is off for the reference's inputs, so that errors of earlier layers
    do not count.</dd>
    <dt>Does it get its tasks right?</dt>
    <dd>Answers equal, and pictures: both come of everything above, and scatter most.</dd>
    </dl>

    """

  private func section(_ result: ModelAccuracy) throws(ImageError) -> String {
    var text = HTML.tag("h2", HTML.escaped(result.path))
    text += HTML.tag(
      "p", "\(result.fileByteCount) bytes, content hash <code>\(result.contentHash)</code>")
    text += result.outcomeLines.map { HTML.tag("p", HTML.escaped($0)) }.joined()
    text += HTML.table(result.distribution.map { $0.map(HTML.escaped) }, hasHeader: true)
    if !result.bitsPerScale.isEmpty {
      text += HTML.tag("h3", "KL per bit, of each scale")
      text += Plot.bars(
        result.bitsPerScale.enumerated().map { index, bits in
          let figures = "\(Figure.nats(bits.kl.overCases)), \(Figure.percent(bits.sameTop)) equal"
          return Plot.Bar(
            label: "\(index + 1)", value: bits.kl.mean, error: bits.kl.standardError,
            title: "scale \(index + 1): \(figures)")
        }, text: Figure.nats)
      text += HTML.tag("h3", "KL per bit, of each place")
      text += Plot.maps(result.klPerToken)
    }
    text += HTML.tag("h3", "Output error, layer by layer")
    text += HTML.tag("p", "From the vision tower's first layer to the generator's head; the worst:")
    text += HTML.table(
      result.worstLayers(5).map { [HTML.escaped($0.name), Figure.percent($0.error)] })
    text += Plot.bars(
      result.outputErrors.map {
        Plot.Bar(
          label: "", value: $0.error, error: nil, title: "\($0.name): \(Figure.percent($0.error))")
      }, text: { Figure.text($0 * 100, digits: 2) + " %" })
    return text + (try pictures(result.pictures))
  }

  private func pictures(_ pairs: [PicturePair]) throws(ImageError) -> String {
    guard !pairs.isEmpty else { return "" }
    var rows = [["prompt", "reference", "model", "difference, 4 times", "PSNR", "SSIM"]]
    for pair in pairs {
      let images = [pair.reference, pair.drawn, pair.difference]
      var cells = [HTML.escaped(pair.prompt)]
      for image in images { cells.append(HTML.image(try PNGEncoder.encode(image))) }
      cells.append("\(Figure.text(pair.psnr, digits: 1)) dB")
      rows.append(cells + [Figure.text(pair.similarity, digits: 4)])
    }
    return HTML.tag("h3", "Pictures of the same seed") + HTML.table(rows, hasHeader: true)
  }
}

extension PicturePair {
  /// What differs, four times as strong, on grey.
  fileprivate var difference: RGBImage {
    RGBImage(
      width: drawn.width, height: drawn.height,
      pixels: zip(drawn.pixels, reference.pixels).map { own, other in
        UInt8(max(0, min(255, 128 + 4 * (Int(own) - Int(other)))))
      })
  }
}
