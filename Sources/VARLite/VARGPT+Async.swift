import Synchronization
import VARModels
import VARSystem
import VARVision

extension VARGPT {
  /// Answers a question; the text arrives in whole characters as it is written.
  ///
  /// Ending the iteration early stops the work within one layer.
  public func understand(
    _ question: String, images: [RGBImage] = [], sampling: TextSampling = TextSampling()
  ) -> AsyncThrowingStream<String, any Error> {
    AsyncThrowingStream { continuation in
      let flag = CancellationFlag()
      continuation.onTermination = { _ in flag.cancel() }
      let isStarted = WorkerThread.start {
        do {
          _ = try self.understand(
            Prompt(question, images: images), sampling: sampling, isCancelled: { flag.isCancelled }
          ) { event in
            if case .text(let text) = event { continuation.yield(text) }
          }
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      if !isStarted { continuation.finish(throwing: WorkerThread.refusal) }
    }
  }

  /// Draws a picture.
  ///
  /// - Throws: `CancellationError` where the task is cancelled, which stops the work within one layer; else as
  ///   `draw(_:options:text:forcesDrawing:letsModelDecide:pixels:forcedBits:recorder:isCancelled:events:)`.
  public func generate(
    _ prompt: String, options: DrawingOptions = DrawingOptions()
  ) async throws -> RGBImage {
    try await draw(Prompt(prompt), options)
  }

  /// Draws a changed version of a picture, by default in the nearest shape to it that the model knows. Throws as
  /// `generate`.
  public func edit(
    _ image: RGBImage, instruction: String, options: DrawingOptions = DrawingOptions()
  ) async throws -> RGBImage {
    var options = options
    if options.aspect == .modelDefault {
      options.aspect = .nearest(width: Double(image.width), height: Double(image.height))
    }
    return try await draw(Prompt(instruction, images: [image]), options)
  }

  private func draw(_ prompt: Prompt, _ options: DrawingOptions) async throws -> RGBImage {
    let flag = CancellationFlag()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let isStarted = WorkerThread.start {
          continuation.resume(
            with: Result {
              do {
                return try self.draw(
                  prompt, options: options, isCancelled: { flag.isCancelled }
                ).image
              } catch let error as ModelError where error.code == .cancelled {
                throw CancellationError()
              }
            })
        }
        if !isStarted { continuation.resume(throwing: WorkerThread.refusal) }
      }
    } onCancel: {
      flag.cancel()
    }
  }
}

private final class CancellationFlag: Sendable {
  private let flag = Atomic<Bool>(false)
  var isCancelled: Bool { flag.load(ordering: .relaxed) }
  func cancel() { flag.store(true, ordering: .relaxed) }
}

/// A thread of its own for work that takes seconds: the threads of Swift's tasks are few and must not be held. Its
/// stack does not depend on the shell's limit.
private enum WorkerThread {
  private static let stackBytes = 2 << 20

  static let refusal = GenerationError(.outOfMemory, "the system refused a thread for the request")

  /// Returns false, without a part of the work done, where the system refuses the thread.
  static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
    guard let thread = JoinableThread(stackBytes: stackBytes, body) else { return false }
    thread.detach()
    return true
  }
}
