import VARJSON

/// Everything the networks of one VARGPT-v1.1 model need to know besides the weights.
///
/// Read from a checkpoint's `config.json` (with the optional object `vargpt_gen` for what the official code
/// hard-codes) or from the copy in a `.vq4` file, which states every value.
package struct VARGPTConfiguration: Sendable, Equatable {
  package var languageModel: Qwen2Configuration
  package var vision: VisionConfiguration
  package var generator: ScaleTransformerConfiguration
  package var vae: BSQVAEConfiguration
  package var specialTokens: SpecialTokens
  /// The model's own schedule.
  package var schedule: ScaleSchedule
  package var imageSampling: ImageSamplingDefaults
  /// What the model met in its training.
  package var training: TrainingSettings

  /// - Parameters:
  ///   - config: the document `config.json`.
  ///   - shapes: the checkpoint's tensors, which fill what `config` does not state.
  /// - Throws: `ConfigurationError` that names the key.
  package init(
    config: JSONValue, shapes: TensorShapes = .none
  ) throws(ConfigurationError) {
    let root = try ConfigurationReader(ConfigurationDialect(config).json)
    languageModel = try Qwen2Configuration(root)
    guard let vision = try root.nested("vision_config") else {
      throw ConfigurationError(code: .missing, key: "vision_config", detail: "is required")
    }
    self.vision = try VisionConfiguration(vision)
    let extra = try root.nested("vargpt_gen")
    generator = try ScaleTransformerConfiguration(extra, shapes: shapes)
    vae = try BSQVAEConfiguration(extra, codebookDim: generator.codebookDim, shapes: shapes)
    specialTokens = try SpecialTokens(root)
    imageSampling = try ImageSamplingDefaults(extra)
    training = try TrainingSettings(extra?.nested("training"))
    schedule = try Self.schedule(extra)
    try root.require(
      schedule.scales.count <= generator.numLevels, "vargpt_gen.scale_schedule",
      "\(schedule.scales.count) scales, the level embedding has \(generator.numLevels) rows")
    try specialTokens.check(root, vocabSize: languageModel.vocabSize)
  }

  private static func schedule(
    _ reader: ConfigurationReader?
  ) throws(ConfigurationError) -> ScaleSchedule {
    let aspect = try reader?.number("h_div_w", in: 0.01...100, default: 1) ?? 1
    let template = AspectTemplate.nearest(heightOverWidth: aspect)
    let released = template.schedule(scaleCount: PixelBudget.budget025M.scaleCount)
    guard let reader else { return released }
    var result = released
    if reader.value("pn") != nil {
      let name = try reader.string("pn", default: "")
      if let budget = PixelBudget(rawValue: name) {
        result = template.schedule(scaleCount: budget.scaleCount)
      } else {
        try reader.require(
          reader.value("scale_schedule") != nil, "pn",
          "\"\(name)\" names no official schedule; state scale_schedule")
      }
    }
    if let value = reader.value("scale_schedule") {
      guard let list = value.arrayValue else {
        throw ConfigurationError(
          code: .malformed, key: reader.key("scale_schedule"), detail: "a list of grids is expected"
        )
      }
      result.scales = try list.map { entry throws(ConfigurationError) in
        try grid(entry, key: "vargpt_gen.scale_schedule")
      }
      try reader.require(!list.isEmpty, "scale_schedule", "holds no scale")
      // The first scale starts from one vector for each branch.
      try reader.require(
        result.scales[0].tokenCount == 1, "scale_schedule", "begins with another scale than 1 x 1")
    }
    if let reference = reader.value("rope_reference_hw") {
      result.ropeReference = try grid(reference, key: "vargpt_gen.rope_reference_hw")
    }
    return result
  }

  /// `[height, width]` or `[1, height, width]`.
  private static func grid(_ value: JSONValue, key: String) throws(ConfigurationError) -> GridSize {
    let numbers = value.arrayValue?.compactMap(\.integerValue) ?? []
    guard numbers.count >= 2, numbers.count <= 3, numbers.count == value.arrayValue?.count,
      numbers.count == 2 || numbers[0] == 1,
      numbers.suffix(2).allSatisfy({ (1...512).contains($0) })
    else {
      throw ConfigurationError(
        code: .malformed, key: key, detail: "a grid is [height, width] with sides of 1...512")
    }
    return GridSize(height: numbers[numbers.count - 2], width: numbers[numbers.count - 1])
  }

  /// The document that a `.vq4` file carries; reading it gives an equal configuration.
  package var json: JSONValue {
    let grids = schedule.scales.map { JSONValue.array([.integer($0.height), .integer($0.width)]) }
    let extra = JSONObject([
      ("scale_schedule", .array(grids)),
      (
        "rope_reference_hw",
        .array([
          .integer(schedule.ropeReference.height), .integer(schedule.ropeReference.width),
        ])
      ),
      ("infinity", generator.json),
      ("vae", vae.json),
      ("sampling", imageSampling.json),
      ("training", training.json),
    ])
    return .object(
      JSONObject(
        [("model_type", .string("vargpt_qwen2_vl"))] + languageModel.members
          + [("vision_config", vision.json)] + specialTokens.members
          + [("vargpt_gen", .object(extra))]))
  }
}

extension VARGPTConfiguration {
  /// Every tensor of a complete `.vq4` file, in the order of execution.
  package var tensors: [TensorSpecification] {
    VisionWeights.tensors(vision, hiddenSize: languageModel.hiddenSize)
      + Qwen2Weights.tensors(languageModel)
      + ScaleTransformerWeights.tensors(generator, hiddenSize: languageModel.hiddenSize)
      + BSQVAEWeights.decoderTensors(vae) + BSQVAEWeights.encoderTensors(vae)
  }
}
