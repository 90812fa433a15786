import VARQuantization
import VQ4Format

/// What the journal of a stopped conversion says, as far as it is whole.
struct StoppedConversion {
  /// JSON of `ConversionIdentity`.
  private(set) var identity = ""
  /// In the order of the plan, without gaps.
  private(set) var finished: [JournalRecord.FinishedTensor] = []
  /// The tensor that comes next, where a part of it is written; all its records as one.
  private(set) var open: JournalRecord.OpenTensor?
  /// Tensors of the checkpoint that are hashed besides.
  private(set) var sources: [JournalRecord.SourcePieces] = []
  /// Bytes of the journal that count.
  private(set) var journalByteCount = 0

  /// Whether there is anything to go on with.
  var hasWork: Bool { !finished.isEmpty || open != nil }

  /// Nil where there is no journal.
  init?(journal path: String) {
    var state = Self.empty
    guard let end = Journal.read(path, { state.add($0) }), !state.identity.isEmpty else {
      return nil
    }
    state.journalByteCount = end
    self = state
  }

  private init() {}

  private static var empty: StoppedConversion { StoppedConversion() }

  /// Returns whether the record fits to those before it.
  private mutating func add(_ record: JournalRecord) -> Bool {
    switch record {
    case .identity(let text):
      guard identity.isEmpty else { return false }
      identity = text
    case .finished(let tensor):
      guard !identity.isEmpty, tensor.rowIndex == finished.count else { return false }
      finished.append(tensor)
      open = nil
    case .open(let tensor):
      guard !identity.isEmpty, tensor.rowIndex == finished.count,
        tensor.firstChunk == open?.chunks.count ?? 0
      else { return false }
      var whole = tensor
      if let open {
        whole.firstChunk = 0
        whole.chunks = open.chunks + tensor.chunks
        whole.scales = open.scales + tensor.scales
        whole.superscales = open.superscales + tensor.superscales
      }
      open = whole
    case .source(let source): sources.append(source)
    }
    return true
  }
}
