import VARLite

extension APIError {
  /// What the runtime threw, in the words of a request.
  init(_ error: VARLiteError) {
    switch error.category {
    case .request: self.init(400, "\(error)", code: "invalid_value")
    case .contextFull:
      self.init(400, "\(error)", param: "messages", code: "context_length_exceeded")
    case .picture: self.init(400, "\(error)", code: "invalid_image")
    case .memory, .memoryUnknown:
      self.init(
        400, "\(error)" + RemedyText.advice(error.remedies), code: "insufficient_memory")
    case .busy, .closed, .cancelled: self = .stopping
    default: self.init(500, "\(error)", code: error.category.rawValue)
    }
  }

  /// The server ends, or has ended what ran.
  static var stopping: APIError {
    APIError(503, "the server is stopping", code: "stopping").withoutRetry
  }

  /// The server has begun, and opens its models.
  static var loading: APIError {
    APIError(503, "the server opens its models; try again soon", code: "loading")
      .withRetry(afterSeconds: 1)
  }

  /// Whatever ended the work of a request.
  static func of(_ error: any Error) -> APIError {
    switch error {
    case let error as APIError: error
    case let error as VARLiteError: APIError(error)
    case is CancellationError: .stopping
    default: APIError(500, "\(error)", code: "internal_error")
    }
  }
}

/// Remedies in the words of a request.
enum RemedyText {
  /// What stands behind an error's own words; empty where there is nothing to say.
  static func advice(_ remedies: [Remedy]?) -> String {
    guard let remedies else { return "" }
    let ways = remedies.compactMap(words)
    guard !ways.isEmpty else { return "; nothing smaller fits" }
    return "; it fits with " + ways.joined(separator: ", or ")
  }

  /// nil for what neither a request nor the server's owner can change.
  private static func words(_ remedy: Remedy) -> String? {
    switch remedy.kind {
    case .fewerTokens: "max_tokens \(remedy.value)"
    case .smallerDrawing: "size \(remedy.value)x\(remedy.value)"
    case .smallerPictures: "pictures of \(remedy.value) pixels at most"
    case .smallerPictureFile: "a smaller picture file"
    case .largerBudget: "\(remedy.value >> 20) MiB of memory for the server"
    case .higherLimit: "a limit on the server's memory that is \(remedy.value) bytes higher"
    case .fewerThreads: "fewer threads of the server"
    default: nil
    }
  }
}
