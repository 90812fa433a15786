import VARModels

extension DrawingState {
  /// The first setting in which a drawing would differ from this one, with both values: `cfg scale 3.0, not 2.0`; nil
  /// where there is none. Words before the picture are not compared but for whether they were asked for.
  package func difference(
    from drawing: DrawingRequest, kvType: KVType, of model: Model
  ) throws(VARLiteError) -> String? {
    let settings = try drawing.settings(model)
    if let shape = try shapeDifference(from: drawing, of: model) { return shape }
    func seeds(_ coarse: [CoarseSeed]) -> String { "\(coarse.map(\.seed))" }
    let values: [(name: String, own: String, other: String)] = [
      ("model", self.model, model.contentHash),
      ("keys and values in", self.kvType.rawValue, kvType.rawValue),
      ("cfg scale", "\(cfgScale)", "\(settings.cfgScale)"), ("tau", "\(tau)", "\(settings.tau)"),
      ("top-p", "\(topP)", "\(settings.topP)"), ("greedy", "\(isGreedy)", "\(settings.isGreedy)"),
      ("guided scales", "\(guidedScaleCount)", "\(settings.guidedScaleCount)"),
      ("dense scales", "\(denseScaleCount)", "\(settings.denseScaleCount)"),
      ("seed", "\(seed)", "\(drawing.seed)"),
      ("seeds of coarse scales", seeds(coarseSeeds), seeds(drawing.coarseSeeds)),
      ("drawing at once", "\(startsAtOnce)", "\(drawing.startsAtOnce)"),
    ]
    return Self.first(values)
  }

  /// The same of size, shape and scales alone.
  package func shapeDifference(
    from drawing: DrawingRequest, of model: Model
  ) throws(VARLiteError) -> String? {
    let other = try drawing.schedule(model)
    let stride = model.configuration.vae.stride
    func size(_ grid: GridSize) -> String { "\(grid.width * stride)x\(grid.height * stride)" }
    return Self.first([
      ("size", size(schedule.finalGrid), size(other.finalGrid)),
      ("scales", "\(schedule.scales.count)", "\(other.scales.count)"),
    ])
  }

  private static func first(_ values: [(name: String, own: String, other: String)]) -> String? {
    values.first { $0.own != $0.other }.map { "\($0.name) \($0.own), not \($0.other)" }
  }
}

extension PictureTexts {
  /// The first thing in which a request would give another picture, with both values; nil where it would draw this one.
  package func difference(
    from request: Request, of model: Model
  ) throws(VARLiteError) -> String? {
    guard let drawing = request.drawing else { return "a picture" }
    let other = Asked(request)
    guard asked.prompt == other.prompt else { return "the prompt \"\(asked.prompt)\"" }
    guard asked.system == other.system else { return "another system message" }
    guard asked == other else { return "other bounds on the pixels of pictures" }
    if let difference = try state.difference(
      from: drawing, kvType: request.kvType ?? model.kvType, of: model)
    {
      return difference
    }
    return try model.pictureHashes(request) == state.pictureHashes ? nil : "other pictures"
  }
}

extension Model {
  /// Hashes of a request's pictures as the model sees them.
  fileprivate func pictureHashes(_ request: Request) throws(VARLiteError) -> [String] {
    guard !request.pictures.isEmpty else { return [] }
    let prepared = try prepare(request, isFirstTurn: true)
    return try VARLiteError.wrapping {
      var hash = PromptHash()
      for picture in try prepared.patches() { hash.add(picture) }
      return hash.pictures
    }
  }
}
