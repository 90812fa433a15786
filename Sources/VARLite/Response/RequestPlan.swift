import VARKernels
import VARModels
import VARSystem

/// A part of a request that has weights and memory of its own; what only it needs is given back when it ends. Later
/// versions may know more phases.
public struct RequestPhase: RawRepresentable, Hashable, Sendable {
  /// The phase as people and programs read it.
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }

  /// Pictures go through the vision tower.
  public static let vision = RequestPhase(rawValue: "vision")
  /// The language model reads the prompt and writes.
  public static let conversation = RequestPhase(rawValue: "conversation")
  /// The generator reads the text.
  public static let drawingContext = RequestPhase(rawValue: "text features")
  /// Language model and generator draw the scales.
  public static let drawing = RequestPhase(rawValue: "drawing")
  /// Codes become the pixels of a preview, between two scales.
  public static let preview = RequestPhase(rawValue: "preview")
  /// Codes become pixels.
  public static let decoding = RequestPhase(rawValue: "decoding")
  /// Pixels become codes.
  public static let encoding = RequestPhase(rawValue: "encoding")

  init(_ phase: WeightPhase) {
    self =
      switch phase {
      case .vision: .vision
      case .conversation: .conversation
      case .drawingContext: .drawingContext
      case .drawing: .drawing
      case .decoding: .decoding
      case .encoding: .encoding
      }
  }
}

/// What a request takes, computed before anything of it runs and before a byte of weights is read.
public struct RequestPlan: Sendable {
  /// A named block of memory.
  public struct Buffer: Sendable, Equatable {
    /// What it holds, with the part of the program that it belongs to: `llm.kv`.
    public let name: String
    /// Its size.
    public let byteCount: Int
    /// Whether it grows with the tokens that are remembered.
    public let holdsKeysAndValues: Bool
  }

  /// One phase, in the order in which they run.
  public struct Phase: Sendable {
    /// Which phase it is.
    public let kind: RequestPhase
    /// All that exists during the phase besides the weights and the program.
    public let buffers: [Buffer]
    /// Where the phase's weights are meanwhile.
    package let weights: WeightPlan
    /// Times that every weight of the phase is read.
    public let passCount: Int
    /// What there is to compute.
    let work: PhaseWork
    /// The same of each picture, of the prompt, of each scale, or of the pixels, piece by piece: by networks or levels.
    let parts: [[PhaseWork]]

    /// Weights in memory of their own, and those that are used in place in the mapped file.
    public var weightByteCounts: (resident: Int, mapped: Int) {
      (weights.residentBytes, weights.mappedBytes)
    }
    /// Stored bytes of the weights that every pass reads anew.
    public var diskByteCountPerPass: Int { weights.diskBytesPerPass }
    /// Memory of all buffers.
    public var bufferByteCount: Int { buffers.reduce(0) { $0 + $1.byteCount } }
    /// Memory that holds no unchanged part of a file: what cannot be dropped and read again.
    public var anonymousByteCount: Int { bufferByteCount + weights.residentBytes }
    /// Everything of the phase that is in memory at its end.
    public var byteCount: Int { anonymousByteCount + weights.mappedBytes }
    /// Bytes that are read from the file during the phase, where nothing of it is in the page cache.
    public var diskByteCount: Int {
      weights.firstPassDiskBytes + max(0, passCount - 1) * weights.diskBytesPerPass
    }
  }

  /// In the order in which they run.
  public let phases: [Phase]
  /// Where weights are kept.
  package let weightResidency: WeightResidency
  /// Type of cached keys and values.
  public let kvType: KVType
  /// What the program takes by itself, libraries and tables included.
  public let program: ProcessMemory
  /// Memory that the request may take, the program included.
  public let budgetByteCount: Int
  /// Whether the budget is what a limit on this process leaves (`ulimit -v`, `ulimit -d`).
  public let isBoundByLimit: Bool

  /// Resident memory at most, mapped weights included.
  public var peakByteCount: Int { program.byteCount + (phases.map(\.byteCount).max() ?? 0) }

  /// The part of the peak that cannot be dropped and read again.
  public var anonymousPeakByteCount: Int {
    program.anonymousByteCount + (phases.map(\.anonymousByteCount).max() ?? 0)
  }

  /// Bytes that are read from the file where nothing of it is in the page cache.
  public var diskByteCount: Int { phases.reduce(0) { $0 + $1.diskByteCount } }

  /// Memory that the request takes at least, where as many weights as possible are streamed and no prompts are kept.
  public var minimumByteCount: Int {
    program.byteCount - keptByteCount
      + (phases.map { $0.bufferByteCount + $0.weights.minimumBytes }.max() ?? keptByteCount)
  }

  /// Bytes that are missing; 0 where the request fits.
  ///
  /// Mapped weights may be dropped: a file that is mapped on request may be larger than the budget.
  public var shortfallByteCount: Int {
    let unmapped = program.byteCount + (phases.map(\.anonymousByteCount).max() ?? 0)
    return max(0, (weightResidency == .stream ? minimumByteCount : unmapped) - budgetByteCount)
  }

  /// Where weights are while the request runs: never ``Residency/automatic``.
  public var residency: Residency { Residency(rawValue: weightResidency.rawValue) ?? .automatic }

  /// The phase of a kind.
  func phase(_ kind: RequestPhase) -> Phase? { phases.first { $0.kind == kind } }

  func phase(_ phase: WeightPhase) -> Phase? { self.phase(RequestPhase(phase)) }

  /// Seconds at the speed of a machine: computing and reading from the disk go on at the same time.
  public func expectedSeconds(_ speed: MachineSpeed) -> Double {
    phases.reduce(0) { $0 + $1.expectedSeconds(speed) }
  }
}

extension RequestPlan.Phase {
  /// Seconds at the speed of a machine.
  public func expectedSeconds(_ speed: MachineSpeed) -> Double {
    let reading = speed.diskBytes > 0 ? Double(diskByteCount) / speed.diskBytes : 0
    return max(work.seconds(speed), reading)
  }
}
