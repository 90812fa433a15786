import VARConversion
import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// Runs a calibration and writes its file.
package struct Calibration {
  private let model: Model
  private let cases: [PreparedCase]
  private let options: ForcedRun.Options
  private let layout: CalibrationLayout
  private let rounding: GeneratorRounding?

  /// Prepares the cases.
  ///
  /// - Parameters:
  ///   - blockCols: columns of a block of second moments.
  ///   - recipe: what the file is for: it rounds the generator layer by layer, so that the inputs of each are those
  ///     that it gets from rounded ones. Nil leaves the generator as it is, and the file serves every recipe.
  ///   - options: how all goes.
  /// - Throws: `QuantizationError` where the recipe does not fit the model, `VARLiteError` where no case draws, and
  ///   where the model has no generator, or one that may have other weights than the checkpoint.
  package init(
    _ model: Model, cases: [ForcedCase], blockCols: Int, for recipe: Recipe? = nil,
    _ options: ForcedRun.Options
  ) throws {
    self.model = model
    self.options = options
    rounding = try recipe.map {
      guard cases.contains(where: { $0.picture != nil }) else {
        throw VARLiteError(
          .request,
          "recipe \($0.name): no case draws, and only what draws is rounded; give cases with "
            + "pictures, or calibrate for every recipe")
      }
      return try LayerRounder.rounding($0, of: model)
    }
    self.cases = try PreparedCase.prepare(cases, model, options)
    layout = CalibrationLayout(model, blockCols: blockCols, rounding)
  }

  /// Tokens of all cases through the language model and through the generator.
  package var tokenCounts: (language: Int, generator: Int) {
    ForcedRun.tokenCounts(cases, model.configuration)
  }

  /// Bytes of the file.
  package var fileByteCount: Int { layout.dataByteCount + layout.header(content: "").count }

  /// Bytes on the disk while it runs: the file and where it stands, old and new.
  package var diskByteCount: Int {
    fileByteCount
      + 2 * ForcedRun.stateByteCount(cases, model.configuration, rounds: rounding != nil)
  }

  /// Bytes of memory that the run takes besides the program's: hidden states, weights, buffers and sums.
  package var memoryByteCount: Int {
    let widest = layout.inputs.map { $0.triangleCount }.max() ?? 0
    let rounder = rounding.map { LayerRounder.byteCount(model, $0, layout) } ?? 0
    // Rows in two forms with room; where they have drifted also their drift, as it is and in two forms.
    let forms = rounding == nil ? 4 : 5
    // A layer of the language model has four inputs; sums and what is written of them.
    return ForcedRun.memoryByteCount(cases, model, rounds: rounding != nil) + rounder
      + 4 * 2 * widest * MemoryLayout<Float>.stride
      + forms * Compute.maximumBlockRows * (layout.inputs.map(\.cols).max() ?? 0)
      * MemoryLayout<Float>.stride
  }

  /// How a file is written.
  package struct Output {
    package let path: String
    /// Whether the file may replace another one, and what an earlier run left is not looked at.
    package var replaces: Bool
    /// Whether what an earlier run left is gone on with.
    package var resumes: Bool
    /// Seconds of work that a sudden end may cost, besides a layer.
    package var secondsBetweenStates: Int

    package init(
      _ path: String, replaces: Bool = false, resumes: Bool = false, secondsBetweenStates: Int = 60
    ) {
      self.path = path
      self.replaces = replaces
      self.resumes = resumes
      self.secondsBetweenStates = secondsBetweenStates
    }
  }

  /// The file that a stopped run leaves beside its output.
  package static func statePath(of output: String) -> String {
    CalibrationState.path(of: output)
  }

  /// Runs and writes. A run that is stopped leaves what it did beside the output, once it has worked for a while.
  ///
  /// - Throws: `CalibrationRefusal` where an earlier run left something else.
  package func write(to output: Output) throws {
    let kept = CalibrationState(
      path: CalibrationState.path(of: output.path), identity: try identity())
    let writer = try CalibrationWriter(output.path, layout)
    let state: ForcedRunState?
    do {
      state = try self.state(kept, output, writer)
    } catch {
      if writer.isEmpty { writer.discard() }
      throw error
    }
    if state == nil { try writer.begin() }
    var (savedTime, hasState) = (MonotonicClock.seconds(), state != nil)
    do {
      let rounder = try rounding.map { try LayerRounder(model, $0, options) }
      let collector = try MomentCollector(
        model, blockCols: layout.blockCols, rounder, emit: { try writer.put($0, $1) },
        offer: { state in
          guard MonotonicClock.seconds() - savedTime >= Double(output.secondsBetweenStates) else {
            return
          }
          try writer.flush()
          try kept.write(state())
          (savedTime, hasState) = (MonotonicClock.seconds(), true)
        })
      try ForcedRun(model, cases: cases, options, watcher: collector).run(from: state)
      try writer.publish { kept.remove() }
    } catch {
      if !hasState { writer.discard() }
      throw error
    }
  }

  /// Where to go on; nil begins anew.
  private func state(
    _ kept: CalibrationState, _ output: Output, _ writer: CalibrationWriter
  ) throws -> ForcedRunState? {
    if output.replaces {
      try kept.removeOurs()
      return nil
    }
    guard output.resumes else {
      guard FileStatus(kept.path) == nil else {
        throw CalibrationRefusal(
          problem: "\(output.path): a stopped calibration stands beside it (\(kept.path))",
          canContinue: true)
      }
      return nil
    }
    guard let state = try kept.read() else { return nil }
    let fits = ForcedRun.fits(state, cases, model.configuration, rounds: rounding != nil)
    guard fits, writer.canContinue else {
      throw CalibrationRefusal(
        problem: "\(kept.path): does not belong to what stands beside it", canContinue: false)
    }
    return state
  }

  /// A hash of all that the sums depend on.
  private func identity() throws -> String {
    let hash = try StreamHasher()
    hash.update(Array("\(model.contentHash) \(layout.blockCols) \(cases.count)".utf8))
    if let rounding { hash.update(Array(rounding.identity.utf8)) }
    for item in cases { item.addIdentity(to: { hash.update($0) }) }
    return hash.value.description
  }
}
