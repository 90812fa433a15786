import VARVision

// The short ways in, for apps with tasks. All of them are made of ``Model/submit(_:)``.
extension Model {
  /// Answers a question; the text arrives in whole characters as it is written. Leaving the loop early stops the work.
  public func understand(
    _ question: String, pictures: [Picture] = [], sampling: TextSampling = TextSampling()
  ) -> AsyncThrowingStream<String, any Error> {
    AsyncThrowingStream { continuation in
      do {
        let job = try submit(Request(question, pictures: pictures, sampling: sampling))
        continuation.onTermination = { _ in job.stop() }
        Task {
          for await event in job.events { if let text = event.text { continuation.yield(text) } }
          continuation.finish(throwing: job.failure)
        }
      } catch { continuation.finish(throwing: error) }
    }
  }

  /// Draws a picture. Cancelling the task stops the work, and throws `CancellationError`.
  public func generate(
    _ prompt: String, drawing: DrawingRequest = DrawingRequest()
  ) async throws -> RGBImage {
    try await picture(of: Request(prompt, drawing: drawing))
  }

  /// Draws a changed version of a picture, by default in the nearest shape to it that the model knows.
  public func edit(
    _ picture: Picture, instruction: String, drawing: DrawingRequest = DrawingRequest()
  ) async throws -> RGBImage {
    var drawing = drawing
    if drawing.aspect == .modelDefault {
      let extents = try picture.extents()
      drawing.aspect = .nearest(width: Double(extents.width), height: Double(extents.height))
    }
    return try await self.picture(
      of: Request(instruction, pictures: [picture], drawing: drawing))
  }

  private func picture(of request: Request) async throws -> RGBImage {
    let job = try submit(request)
    return try await withTaskCancellationHandler {
      try await job.response().requiredPicture()
    } onCancel: {
      job.stop()
    }
  }
}

extension Job {
  /// What the job ended with; nil where that is a response, or a stop.
  fileprivate var failure: VARLiteError? {
    do throws(VARLiteError) {
      _ = try wait()
      return nil
    } catch { return error.category == .cancelled ? nil : error }
  }
}
