import VQ4Format

/// A model's file, or the part of a larger file that is a model: of an executable, a package, a disk image.
public struct ModelFile: Sendable {
  private enum Place {
    case path(String)
    case descriptor(Int32, name: String)
  }

  private let place: Place
  private let offset: Int
  private let length: Int?

  /// - Parameters:
  ///   - path: a `.vq4` file, or a file that holds one.
  ///   - offset: where the model begins, in bytes; a multiple of 64, best of 65,536.
  ///   - length: bytes of the model; nil: all up to the end of the file.
  public init(path: String, offset: Int = 0, length: Int? = nil) {
    place = .path(path)
    self.offset = offset
    self.length = length
  }

  /// - Parameters:
  ///   - descriptor: open for reading. It is duplicated, and stays the caller's.
  ///   - offset: where the model begins, in bytes; a multiple of 64, best of 65,536.
  ///   - length: bytes of the model; nil: all up to the end of the file.
  ///   - name: what errors call the file.
  public init(descriptor: Int32, offset: Int = 0, length: Int? = nil, name: String) {
    place = .descriptor(descriptor, name: name)
    self.offset = offset
    self.length = length
  }

  func open() throws(VQ4Error) -> VQ4File {
    switch place {
    case .path(let path): try VQ4File(path: path, offset: offset, length: length)
    case .descriptor(let descriptor, let name):
      try VQ4File(descriptor: descriptor, offset: offset, length: length, name: name)
    }
  }
}
