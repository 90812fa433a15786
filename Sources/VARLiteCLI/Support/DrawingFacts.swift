import VARJSON
import VARLite
import VARSharedCLI

/// What a picture's file or a saved drawing tells, for `info`.
struct DrawingFacts {
  private let file: String
  private let texts: PictureTexts?
  private let state: DrawingState

  /// - Returns: nil for a file that is neither.
  static func read(_ path: String) throws -> DrawingFacts? {
    let start = ModelPath.start(of: path)
    if PictureInput.isPicture(start) {
      let texts = try PictureInput.texts(path, ram: nil)
      return DrawingFacts(file: path, texts: texts, state: texts.state)
    }
    guard SavedDrawing.isOne(path) else { return nil }
    return DrawingFacts(file: path, texts: nil, state: try SavedDrawing.read(path))
  }

  private var drawnScaleCount: Int { texts?.scaleCount ?? state.bits.count }

  private var lines: [(name: String, value: String)] {
    var lines = [("file", file)]
    if let texts {
      lines.append(("program", texts.software))
      lines.append(("prompt", texts.asked.prompt))
      if let system = texts.asked.system { lines.append(("system", system)) }
      if let pixels = texts.asked.minimumPicturePixels { lines.append(("min pixels", "\(pixels)")) }
      if let pixels = texts.asked.maximumPicturePixels { lines.append(("max pixels", "\(pixels)")) }
    }
    let count = state.schedule.scales.count
    lines += [
      ("seed", "\(state.seed)"), ("cfg scale", "\(state.cfgScale)"), ("tau", "\(state.tau)"),
      ("top-p", "\(state.topP)"), ("greedy", state.isGreedy ? "yes" : "no"),
      ("keys, values", state.kvType.rawValue),
      ("scales", "\(drawnScaleCount) of \(count)"),
    ]
    for coarse in state.coarseSeeds {
      lines.append(("seed", "\(coarse.seed) up to scale \(coarse.scaleCount)"))
    }
    if state.guidedScaleCount < count {
      lines.append(("guided", "\(state.guidedScaleCount) scales"))
    }
    if state.denseScaleCount < count { lines.append(("dense", "\(state.denseScaleCount) scales")) }
    for (index, hash) in state.pictureHashes.enumerated() {
      lines.append(("picture \(index + 1)", "hash \(hash)"))
    }
    return lines + [("words", "\(state.answerTokens.count) tokens"), ("model", state.model)]
  }

  var text: String {
    lines.map { name, value in
      name + String(repeating: " ", count: max(1, 16 - name.count)) + value.printable + "\n"
    }.joined()
  }

  var json: JSONValue {
    var object = JSONObject([("file", .string(file))])
    if let texts {
      object["software"] = .string(texts.software)
      object["prompt"] = .string(texts.asked.prompt)
    }
    object["model"] = .string(state.model)
    for (key, value) in (texts?.settings ?? state.json).members where object[key] == nil {
      object[texts == nil && key == "prompt" ? "prompt_hash" : key] = value
    }
    object["drawn_scales"] = .integer(drawnScaleCount)
    return .object(object)
  }
}
