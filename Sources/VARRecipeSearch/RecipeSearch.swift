import VARCalibration
import VARCheckpoint
import VARConversion
import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// Finds out what each way to store each weight of a checkpoint costs, by what the model then says.
///
/// 1. A temporary file beside the output holds the checkpoint as it is; where no calibration is given, one is made
///    with it.
/// 2. Parts of each weight are rounded in all ways that there are: that gives errors of outputs and bytes
///    (`WeightMeasure`).
/// 3. The unchanged model reads words and bits of scenes. Then it reads them again with one group of weights after the
///    other in int4 and in int8, from the first layer on that differs (`ProbeGroup`).
/// 4. Some whole recipes are read the same way: what sums of groups lack beside them corrects what is expected.
///
/// What is measured stays in a small file beside the output (`SearchState`).
package final class RecipeSearch {
  package struct Options {
    /// What the recipe is for: its layout, its calibration, threads and memory.
    package var conversion: ConversionOptions
    /// Cases that groups are measured on at most, half of them drawings; nil: as many as are worth their time.
    package var caseCount: Int?
    package var isCancelled: () -> Bool
    /// Told what happens, and how much of it is done.
    package var progress: (_ step: String, _ done: Int, _ count: Int) -> Void

    package init(
      _ conversion: ConversionOptions, isCancelled: @escaping () -> Bool,
      progress: @escaping (_ step: String, _ done: Int, _ count: Int) -> Void
    ) {
      self.conversion = conversion
      self.isCancelled = isCancelled
      self.progress = progress
    }
  }

  /// Files beside the output.
  package struct Paths: Sendable {
    /// The checkpoint as it is; gone when all is measured.
    package let base: String
    /// What is made where no calibration is given; it stays, since the recipe is for it.
    package let calibration: String
    /// What is measured; it stays.
    package let state: String

    package init(of output: String) {
      base = output + ".base.vq4"
      calibration = output + ".calibration.safetensors"
      state = SearchState.path(of: output)
    }
  }

  package let paths: Paths
  private let checkpoint: Checkpoint
  private let options: Options
  private let base: Conversion
  private let identity: String
  /// What the program has before it measures: about what `varlite` has.
  private let programByteCount = ProcessMemory.current()?.byteCount

  /// Throws what `Conversion.init` does.
  package init(of checkpoint: Checkpoint, output: String, _ options: Options) throws {
    paths = Paths(of: output)
    self.checkpoint = checkpoint
    self.options = options
    var conversion = options.conversion
    conversion.recipe = try BaseRecipe.recipe(for: checkpoint)
    conversion.layout = .map
    conversion.calibration = nil
    conversion.overwrite = false
    conversion.withCanaries = false
    (conversion.keepsProgress, conversion.resumes) = (true, true)
    base = try Conversion(of: checkpoint, options: conversion)
    let given = options.conversion.calibration
    if let recipe = given?.recipe {
      throw VARLiteError(
        .request,
        "\(given?.path ?? ""): is for recipe \(recipe.name) alone; a search takes a calibration that "
          + "serves every recipe")
    }
    identity = try StreamHasher.identity([
      base.identity(), "\(options.conversion.layout)", given?.identity ?? "own",
      options.caseCount.map(String.init) ?? "auto",
    ])
  }

  /// The temporary file and what is made with it, at most.
  package var diskByteCount: Int { base.disk().byteCount }

  /// Whether an earlier search has measured all that there is.
  package var isDone: Bool {
    guard let state = try? SearchState.read(paths.state, identity: identity) else { return false }
    return (try? choices(state, known(state))) != nil
  }

  /// Measures all that an earlier search has not. What is done stays when it is stopped.
  package func measure() throws -> RecipeChoices {
    do {
      return try measured()
    } catch let error as SystemError {
      throw VARLiteError(
        .file,
        "\(paths.base): what the model says cannot be kept beside it: \(error.message)\(error.advice)"
      )
    }
  }

  private func measured() throws -> RecipeChoices {
    let specifications = base.configuration.tensors
    var state = try SearchState.read(paths.state, identity: identity)
    let weights = specifications.filter { $0.kind != .vector }
    if let choices = try choices(state, known(state)) { return choices }
    try writeBase()
    let ownByteCount = (ProcessMemory.current()?.byteCount ?? 0) - (programByteCount ?? 0)
    let model = try Runtime(
      options: Runtime.Options(
        threadCount: options.conversion.threadCount,
        memoryBudgetBytes: options.conversion.memoryByteCount)
    ).open(paths.base, options: modelOptions)
    try model.file.mapWeights()
    state.modelHash = model.contentHash
    let calibration = try self.calibration(model)
    let knowledge = try WeightKnowledge(model, calibration)
    let isLarge = SearchScale.isLarge(weights)
    if model.canDraw, state.drawing == nil {
      state.drawing = try DrawingMemory(model, without: max(0, ownByteCount))
    }
    try measure(weights, knowledge, isLarge: isLarge, &state)
    try ProbeRuns(knowledge, isCompensated: !isLarge, paths, options).run(&state)
    guard let choices = try choices(state, calibration) else {
      preconditionFailure("all is measured")
    }
    return choices
  }

  /// nil where not all is measured; else the temporary file has done its work.
  private func choices(
    _ state: SearchState, _ calibration: CalibrationFile?
  ) throws -> RecipeChoices? {
    let choices = try RecipeChoices(
      base.configuration.tensors, base.configuration, state, calibration)
    if choices != nil, (try? VQ4File(path: paths.base))?.contentHash == state.modelHash {
      FileTree.remove(paths.base)
    }
    return choices
  }

  private var modelOptions: Model.Options {
    var model = Model.Options(kvType: .int8, residency: .map)
    model.readsAhead = false
    return model
  }

  // MARK: Files

  private func writeBase() throws {
    _ = try base.write(
      to: paths.base,
      progress: {
        options.progress(
          "writing the checkpoint as it is: \($0.subject)", $0.doneCount, $0.totalCount)
      }, isCancelled: options.isCancelled)
  }

  /// The calibration of an earlier search that has measured something with it; nil where there is none.
  private func known(_ state: SearchState) throws -> CalibrationFile? {
    if let given = options.conversion.calibration { return given }
    guard FileTree.exists(paths.calibration), !state.modelHash.isEmpty else { return nil }
    let file = try CalibrationFile(path: paths.calibration)
    return file.modelHash == state.modelHash ? file : nil
  }

  private func calibration(_ model: Model) throws -> CalibrationFile {
    if let given = options.conversion.calibration { return given }
    if FileTree.exists(paths.calibration) {
      let file = try CalibrationFile(path: paths.calibration)
      guard file.modelHash == model.contentHash else {
        throw VARLiteError(
          .request,
          "\(paths.calibration): is of another checkpoint; move it away or name another output")
      }
      return file
    }
    let calibration = try calibrationRun(model, limit: SearchCases.calibrationLimit(model))
    do {
      try calibration.write(to: .init(paths.calibration, resumes: true))
    } catch let refusal as CalibrationRefusal {
      throw VARLiteError(.request, "\(refusal.problem); move it away")
    }
    return try CalibrationFile(path: paths.calibration)
  }

  private static let blockCols = 1024

  /// - Parameter limit: cases of each kind at most. Fewer are shown where the memory is short.
  private func calibrationRun(_ model: Model, limit: Int) throws -> Calibration {
    let run = ForcedRun.Options(
      isCancelled: options.isCancelled,
      progress: { [options] in options.progress("calibrating: \($0)", $1, $2) })
    let cases = SceneCases.cases(.calibration, for: model, limit: limit)
    let calibration = try Calibration(model, cases: cases, blockCols: Self.blockCols, run)
    let granted = options.conversion.memoryByteCount
    let needed = SearchCases.neededByteCount(calibration.memoryByteCount)
    var fewer = min(limit, cases.count)
    while fewer > 1, needed > granted,
      SceneCases.cases(.calibration, for: model, limit: fewer).count * needed
        > cases.count * granted
    { fewer -= 1 }
    if needed > granted, fewer < min(limit, cases.count) {
      return try calibrationRun(model, limit: fewer)
    }
    try SearchCases.requireMemory(calibration.memoryByteCount, granted, "to calibrate")
    return calibration
  }

  // MARK: Weights

  private func measure(
    _ weights: [TensorSpecification], _ knowledge: WeightKnowledge, isLarge: Bool,
    _ state: inout SearchState
  ) throws {
    let (model, layout) = (knowledge.model, options.conversion.layout)
    let measure = WeightMeasure(
      knowledge, layout, probesAreCompensated: !isLarge, isCancelled: options.isCancelled)
    var saved = MonotonicClock.seconds()
    for (index, weight) in weights.enumerated() where state.weights[weight.name] == nil {
      options.progress("rounding \(weight.name)", index, weights.count)
      state.weights[weight.name] = try measure.measure(weight)
      guard MonotonicClock.seconds() - saved > 10 else { continue }
      try state.write(to: paths.state)
      saved = MonotonicClock.seconds()
    }
    if state.restByteCount == 0 {
      let vectors = VectorSizes(model, layout)
      for tensor in model.tensors where tensor.kind == .vector {
        let weight = state.weights[String(tensor.name.dropLast("bias".count) + "weight")]
        let isShifted = tensor.name.hasSuffix(".bias") && weight?.isCompensated == true
        state.vectorByteCounts[tensor.name] = try vectors.byteCount(
          tensor.name, isShifted: isShifted)
      }
      state.restByteCount = FileSize.restByteCount(model.file)
    }
    try state.write(to: paths.state)
  }
}

/// What norms, biases and constants take in a file.
private struct VectorSizes {
  private let model: Model
  private let layout: VQ4StorageLayout
  private let encoder = VQ4ChunkEncoder()

  /// Gives values of few digits as many as they can have.
  private static let digits: Float = 1.2345678

  init(_ model: Model, _ layout: VQ4StorageLayout) {
    self.model = model
    self.layout = layout
  }

  /// - Parameter isShifted: whether it takes over what the outputs of its weight lack on average. Its values then have
  ///   more digits than those of the checkpoint, and compress less.
  func byteCount(_ name: String, isShifted: Bool) throws -> Int? {
    guard let index = model.file.tensorIndex(named: name),
      let bytes = model.file.rawStream(index, .codes)
    else { return nil }
    let factor = isShifted ? Self.digits : 1
    let values = bytes.bindMemory(to: Float.self).map { $0 * factor }
    return try values.withUnsafeBytes {
      try encoder.storedByteCount(
        of: $0, .codes, model.file.tensors[index].description, layout)
    }
  }
}

/// The recipe that keeps a checkpoint as it is.
enum BaseRecipe {
  static func recipe(for checkpoint: Checkpoint) throws(QuantizationError) -> Recipe {
    let types = Set(checkpoint.tensors.map(\.elementType).filter(\.isFloat))
    // Adapters add to weights what their type does not hold.
    let precision: Precision =
      checkpoint.adapters.isEmpty && types == [.bf16]
      ? .bf16 : checkpoint.adapters.isEmpty && types == [.f16] ? .f16 : .f32
    return try Recipe(
      parsing: """
        { "recipe_version": 1, "name": "as it is", "architecture": "vargpt_v1_1",
          "rules": [ { "match": "**", "precision": "\(precision.rawValue)" } ] }
        """, source: "of the search")
  }
}

extension StreamHasher {
  fileprivate static func identity(_ texts: [String]) throws -> String {
    let hash = try StreamHasher()
    for text in texts { hash.update(Array((text + "\n").utf8)) }
    return hash.value.description
  }
}
