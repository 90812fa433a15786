extension Model {
  /// What is kept of prompts, so that later requests that begin alike read only what is new. Changes no result.
  public struct PromptCache: Sendable, Equatable {
    /// How much of a prompt is kept. Later versions may know more.
    public struct Extent: Hashable, Sendable {
      let rank: Int
      /// Nothing: every request reads its whole prompt.
      public static let nothing = Extent(rank: 0)
      /// The system message, with which most requests of a model begin.
      public static let systemTurn = Extent(rank: 1)
      /// Besides, whole conversations up to the last answer: whoever sends all of them again, with something new at the
      /// end, has only that read.
      public static let conversations = Extent(rank: 2)
    }

    /// What is kept in memory while the model is open.
    public var extent: Extent
    /// Bytes that all of it may take; what was not used for longest is given up first. It is part of the plan of every
    /// request, and given up where a request would not fit otherwise.
    public var maximumByteCount: Int
    /// A file that keeps a system message's keys and values beyond the process, at most ``maximumByteCount`` and 64
    /// bytes; nil: none. A file of another model or another version, and one that is damaged, is replaced; one that
    /// is something else is left as it is. Nothing about the file makes a request fail.
    public var path: String?

    /// By default whole conversations, within 128 MiB, and no file.
    public init(
      _ extent: Extent = .conversations, maximumByteCount: Int = 128 << 20, path: String? = nil
    ) {
      self.extent = extent
      self.maximumByteCount = maximumByteCount
      self.path = path
    }
  }
}
