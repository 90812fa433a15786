import VAREvaluation
import VARForcedRun
import VARLite
import VARModels
import VARSystem
import VARVision
import VQ4Format

/// Has a reference say what models are held against, or takes it from a file that an earlier run has left.
struct ReferenceRun {
  let reference: Model
  let cases: AccuracyCases
  let forced: [ForcedCase]
  let options: AccuracyRun.Options
  private let places: LayerPlaces

  init(
    _ reference: Model, cases: AccuracyCases, forced: [ForcedCase], _ options: AccuracyRun.Options
  ) {
    self.reference = reference
    self.cases = cases
    self.forced = forced
    self.options = options
    places = LayerPlaces(reference)
  }

  /// What the reference says of the cases, and the cases with the bits of their pictures. What it takes longest to say
  /// is in the file before the rest of it is asked for.
  func outputs() throws -> (ReferenceOutputs, [PreparedCase]) {
    let file = try options.referenceFile.map { ReferenceFile(path: $0, key: try key()) }
    let kept = try file?.read(
      bitCounts: forced.map { $0.picture == nil ? nil : bitCounts }, places,
      keptTokenCount: keptTokenCount)
    var (outputs, prepared) =
      if let kept { (kept, try prepare(bits: kept.bits)) } else { try said() }
    if kept == nil { try file?.write(outputs) }
    let alone = FreeRun(reference, "reference", cases: cases, forced: forced, options)
    if options.asksForAnswers, !outputs.hasOutcomes(withDrawings: options.judgesDrawings) {
      outputs.outcomes = ReferenceOutputs.Outcomes(
        hasDrawings: options.judgesDrawings, report: try alone.outcomes().json)
      try file?.write(outputs)
    }
    let pictures = try alone.pictures(after: outputs.pictures)
    reference.releaseUnused()
    if pictures.count > outputs.pictures.count {
      outputs.pictures = pictures
      try file?.write(outputs)
    }
    return (outputs, prepared)
  }

  private func said() throws -> (ReferenceOutputs, [PreparedCase]) {
    let prepared = try prepare()
    let run = options.forcedRun(reference, "reference")
    let outputs = ReferenceOutputs(
      bits: prepared.map(\.bits), said: try OutputSpool(folder: options.spoolFolder),
      layers: try LayerRecord(places, folder: options.spoolFolder), keptTokenCount: keptTokenCount)
    try options.requireMemory(reference, prepared)
    let watcher = ReferenceWatcher(reference, outputs, cases: prepared)
    try ForcedRun(reference, cases: prepared, run, watcher: watcher).run()
    try LayerOutputs.record(of: reference, in: outputs.layers, run)
    return (outputs, prepared)
  }

  private func prepare(bits: [[[UInt8]]?]? = nil) throws -> [PreparedCase] {
    try PreparedCase.prepare(
      forced, reference, options.forcedRun(reference, "reference"), bits: bits)
  }

  private var bitCounts: [Int] {
    ForcedSchedule(reference.configuration).bitCounts(reference.configuration)
  }

  private var keptTokenCount: Int {
    ReferenceOutputs.keptTokenCount(
      words: forced.reduce(0) { $0 + ($1.picture == nil ? $1.wordCount(reference) : 0) },
      vocabSize: reference.configuration.languageModel.vocabSize)
  }

  /// A hash of all that the reference's words, bits and pictures depend on.
  private func key() throws -> VQ4Hash {
    let hash = try StreamHasher()
    let facts = "\(reference.contentHash) \(reference.kvType.rawValue) \(Model.numericsVersion)"
    hash.update(Array("\(facts) \(places.rowCount) \(forced.count)".utf8))
    for item in forced { try item.addIdentity(to: { hash.update($0) }) }
    return hash.value
  }
}
