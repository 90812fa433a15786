#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Tells a process from one that was forked from it.
package struct ProcessIdentity: Sendable, Equatable {
  private let number: Int32

  /// The process that asks.
  package static var current: ProcessIdentity { ProcessIdentity(number: getpid()) }
}
