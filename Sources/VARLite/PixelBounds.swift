/// Bounds on the pixels of a picture that is looked at; nil takes the model's.
public struct PixelBounds: Sendable, Equatable {
  /// Smaller pictures are enlarged to this area, in pixels.
  public var minimum: Int?
  /// Larger pictures are shrunk to this area, in pixels.
  public var maximum: Int?

  public init(minimum: Int? = nil, maximum: Int? = nil) {
    self.minimum = minimum
    self.maximum = maximum
  }
}
