import Synchronization
import VARKernels
import VARSystem
import VARVision

/// What all models of a process share: threads that compute, and one budget of memory.
///
/// A program makes one runtime, opens models from it, and closes it in the end. Requests of all its models are admitted
/// against the one budget: those that fit together run at once, the others wait in order or are refused, as they ask.
///
/// Everything here may be called from any thread. After a fork, the child makes a runtime of its own.
public final class Runtime: Sendable {
  /// How requests run.
  public struct Options: Sendable, Equatable {
    /// Threads that compute, 1...256, the caller's included; default: one for each fast core that this process may use.
    /// Where two requests run at once, each computes on its caller's thread, and the others help whichever asks first.
    public var threadCount: Int
    /// Kernels to use; results are the same with all.
    public var instructionSet: InstructionSet
    /// Memory that this process may take, in bytes, what it had when the models were opened included; nil: what the
    /// system has, but for some room. A request that does not fit is refused before anything of it runs.
    public var memoryBudgetBytes: Int?

    /// By default all fast cores, the fastest kernels, and the memory that the system has.
    public init(
      threadCount: Int? = nil, instructionSet: InstructionSet = .best, memoryBudgetBytes: Int? = nil
    ) {
      self.threadCount = threadCount ?? ThreadPool.defaultThreadCount
      self.instructionSet = instructionSet
      self.memoryBudgetBytes = memoryBudgetBytes
    }
  }

  /// How requests run.
  public let options: Options
  let memory: MemorySource
  let ledger: MemoryLedger
  let jobs = JobList()
  private let pool = Mutex<ThreadPool?>(nil)
  private let requestCount = Atomic<Int>(0)
  private let process = ProcessIdentity.current

  /// Starts no thread yet.
  ///
  /// - Throws: an error of the category `request` for options that this machine cannot serve.
  public convenience init(options: Options = Options()) throws(VARLiteError) {
    try self.init(options: options, processMemory: ProcessMemory.current)
  }

  /// - Parameter processMemory: tells what the process has; nil where nobody knows.
  package init(
    options: Options, processMemory: @escaping @Sendable () -> ProcessMemory?
  ) throws(VARLiteError) {
    guard (1...256).contains(options.threadCount) else {
      throw VARLiteError(.request, "\(options.threadCount) threads; there may be 1 to 256")
    }
    guard options.instructionSet.isSupported else {
      throw VARLiteError(
        .request, "this machine does not run the instruction set \(options.instructionSet)")
    }
    try VARLiteError.require(options.memoryBudgetBytes ?? 0, in: 0...Int.max, "memory budget")
    self.options = options
    memory = MemorySource(
      fixedBytes: options.memoryBudgetBytes, processMemory: processMemory)
    ledger = MemoryLedger(memory)
  }

  deinit { if isOwn { jobs.join() } }

  /// Whether the process is the one that made the runtime, and not forked from that: threads are not forked.
  private var isOwn: Bool { process == ProcessIdentity.current }

  /// Opens a model. Reads its directory and metadata, not the weights.
  ///
  /// - Throws: an error of the category `model` for a file that is damaged or no model, `file` or `memory`.
  public func open(
    _ file: ModelFile, options: Model.Options = Model.Options()
  ) throws(VARLiteError) -> Model {
    try requireOpen()
    let model = try VARLiteError.wrapping { try Model(file.open(), source: nil, options, self) }
    if options.readsAhead { model.readFirstLayers() }
    return model
  }

  /// Opens the model at `path`.
  public func open(
    _ path: String, options: Model.Options = Model.Options()
  ) throws(VARLiteError) -> Model {
    try open(ModelFile(path: path), options: options)
  }

  /// Stops all jobs at once, refuses whatever still waits, and ends the threads. Requests that other threads run with
  /// ``Model/run(_:stop:events:)`` end by their own stop signals.
  ///
  /// Not from within an event of one of the runtime's own jobs: a job cannot wait for its own end.
  public func close() {
    guard isOwn else { return }
    ledger.close()
    jobs.close()
    pool.withLock { $0 = nil }
  }

  /// What the runtime does now.
  public struct Snapshot: Sendable, Equatable {
    /// Memory for this process, the program included; nil where nothing says how much there is.
    public let budgetBytes: Int?
    /// What requests that run, and sessions between turns, may take.
    public let claimedBytes: Int
    /// The most that was claimed at once so far.
    public let peakClaimedBytes: Int
    /// Weights in memory of their own, some of which no request needs any more.
    public let retainedWeightBytes: Int
    /// Requests that run, and requests that wait.
    public let runningCount, queuedCount: Int
    /// Seconds until the jobs that run have ended, at their pace so far; nil where one of them has just begun.
    public let expectedWaitSeconds: Double?
  }

  /// What the runtime does now.
  public var snapshot: Snapshot {
    let standing = ledger.standing
    return Snapshot(
      budgetBytes: try? memory.namedBytes(claimedBytes: standing.claimedBytes),
      claimedBytes: standing.claimedBytes, peakClaimedBytes: standing.peakBytes,
      retainedWeightBytes: memory.retainedWeightBytes, runningCount: standing.runningCount,
      queuedCount: standing.queuedCount, expectedWaitSeconds: jobs.secondsLeft)
  }
}

extension Runtime {
  /// Throws `closed` where no request may begin.
  func requireOpen() throws(VARLiteError) {
    guard isOwn else {
      throw VARLiteError(
        .closed, "the runtime belongs to the process that this one was forked from; make another")
    }
    if ledger.isClosed { throw MemoryLedger.closed }
  }

  /// A number that no other request has.
  package var nextRequestID: Int { requestCount.add(1, ordering: .relaxed).newValue }

  /// What the process has besides requests.
  var program: ProcessMemory { memory.program }

  /// The threads, which the first request starts.
  package func threads() throws(VARLiteError) -> ThreadPool {
    let made = try pool.withLock { pool throws(VARLiteError) -> ThreadPool? in
      if ledger.isClosed { throw MemoryLedger.closed }
      if pool == nil { pool = ThreadPool(threadCount: options.threadCount) }
      return pool
    }
    guard let made else {
      throw VARLiteError(
        .memory, "the system refused \(options.threadCount) threads",
        remedies: [Remedy(.fewerThreads)])
    }
    return made
  }

  /// Decoding a picture must fit into what a request may take that runs alone; it is never a reason to decode less of
  /// the picture.
  package var imageLimits: ImageLimits {
    var limits = ImageLimits()
    guard let budget = try? ledger.budget() else { return limits }
    limits.maximumMemoryBytes = max(
      0, budget.namedBytes - budget.claimedBytes - program.byteCount)
    return limits
  }
}
