import VQ4Format

/// A model's file, or the part of a larger file that is a model.
public struct ModelFile: Sendable {
  private let path: String

  /// - Parameter path: a `.vq4` file.
  public init(path: String) { self.path = path }

  func open() throws -> VQ4File { try VQ4File(path: path) }
}
