import VARForcedRun
import VARKernels
import VARModels
import VARSystem

/// What the unchanged model says of each word and bit, and what goes into some of its layers, in a file of no name.
final class ReferenceOutputs {
  private enum Key: Hashable {
    case word(ofCase: Int, Int)
    case scale(ofCase: Int, Int)
  }

  private struct Piece {
    let offset: Int
    let count: Int
  }

  private let file: OpenFile
  private var end = 0
  private var outputs: [Key: Piece] = [:]
  private var states: [RunPlace: [Piece]] = [:]

  /// - Parameter folder: where the file lies.
  init(folder: String) throws(SystemError) { file = try OpenFile.temporary(in: folder) }

  // MARK: Writing

  func add(words: Rows, ofCase index: Int, from first: Int) throws(SystemError) {
    for row in 0..<words.count {
      outputs[.word(ofCase: index, first + row)] = try append(
        UnsafeBufferPointer(words[row..<row + 1].values))
    }
  }

  func add(bits: Rows, scale: Int, ofCase index: Int) throws(SystemError) {
    outputs[.scale(ofCase: index, scale)] = try append(UnsafeBufferPointer(bits.values))
  }

  func add(_ state: ForcedRunState) throws(SystemError) {
    var pieces: [Piece] = []
    for values in state.values {
      var result = Result<Piece, SystemError>.failure(SystemError(.allocate, 0))
      values.withUnsafeBufferPointer { values in
        result = Result { () throws(SystemError) in try append(values) }
      }
      pieces.append(try result.get())
    }
    states[state.place] = pieces
  }

  private func append(_ values: UnsafeBufferPointer<Float>) throws(SystemError) -> Piece {
    let bytes = UnsafeRawBufferPointer(values)
    try file.write(bytes, at: end)
    defer { end += bytes.count }
    return Piece(offset: end, count: values.count)
  }

  // MARK: Reading

  func words(ofCase index: Int, _ word: Int) throws(SystemError) -> [Float] {
    try read(outputs[.word(ofCase: index, word)])
  }

  func bits(scale: Int, ofCase index: Int) throws(SystemError) -> [Float] {
    try read(outputs[.scale(ofCase: index, scale)])
  }

  /// nil where nothing was kept of this place.
  func state(at place: RunPlace) throws(SystemError) -> ForcedRunState? {
    guard let pieces = states[place] else { return nil }
    var values: [[Float]] = []
    for piece in pieces { values.append(try read(piece)) }
    return ForcedRunState(stage: place.stage, layer: place.layer, values: values)
  }

  private func read(_ piece: Piece?) throws(SystemError) -> [Float] {
    guard let piece else { preconditionFailure("outputs that the reference has") }
    let byteCount = piece.count * MemoryLayout<Float>.stride
    let bytes = try file.bytes(at: piece.offset, count: byteCount)
    guard bytes.count == byteCount else { throw SystemError(.read(at: piece.offset), 0) }
    return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }
}

/// Watches the run of the unchanged model.
final class ReferenceRecorder: ForcedRunWatcher {
  let wantsWordLogits = true
  private let outputs: ReferenceOutputs
  private let isDrawing: [Bool]
  private let places: Set<RunPlace>
  private var wordCounts: [Int: Int] = [:]

  /// - Parameter places: where states are kept.
  init(_ outputs: ReferenceOutputs, cases: [PreparedCase], places: Set<RunPlace>) {
    self.outputs = outputs
    self.places = places
    isDrawing = cases.map { $0.bits != nil }
  }

  func observe(_ site: LinearSite, _ input: Rows) {}

  func offer(_ state: () -> ForcedRunState) throws {
    let state = state()
    if places.contains(state.place) { try outputs.add(state) }
  }

  func see(wordLogits: Rows, ofCase index: Int) throws {
    // The words before a picture are always the same.
    guard !isDrawing[index] else { return }
    let first = wordCounts[index] ?? 0
    try outputs.add(words: wordLogits, ofCase: index, from: first)
    wordCounts[index] = first + wordLogits.count
  }

  func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws {
    try outputs.add(bits: bitLogits, scale: scale, ofCase: index)
  }
}
