import VARJSON

/// A configuration that cannot belong to a VARGPT-v1.1 model.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
  package enum Code: String, Sendable {
    case malformed, missing, outOfRange, inconsistent
    /// A setting of a model that the networks here do not compute.
    case unsupported
  }
  package let code: Code
  /// Where the value stands, for example `vision_config.embed_dim`.
  package let key: String
  package let detail: String

  package var description: String { "configuration: \(key): \(detail)".printable }
}
