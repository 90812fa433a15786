/// A configuration that cannot belong to a VARGPT-v1.1 model.
public struct ConfigurationError: Error, Equatable, CustomStringConvertible {
  public enum Code: String, Sendable {
    case malformed, missing, outOfRange, inconsistent
    /// A setting of a model that the networks here do not compute.
    case unsupported
  }
  public let code: Code
  /// Where the value stands, for example `vision_config.embed_dim`.
  public let key: String
  public let detail: String

  public var description: String { "configuration: \(key): \(detail)" }
}
