import Synchronization
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Standard output without buffering. Its first fault is kept, and nothing is written after it.
package enum StandardOutput {
  /// What could not be written, and why.
  package struct Failure: Error, CustomStringConvertible {
    fileprivate let code: Int32

    package var description: String {
      "standard output: cannot be written: \(SystemError.message(code))"
    }
  }

  private static let firstError = Atomic<Int32>(0)

  package static func write(_ text: String) { write(Array(text.utf8)) }

  package static func write(_ bytes: [UInt8]) {
    guard firstError.load(ordering: .relaxed) == 0 else { return }
    do throws(SystemError) {
      try Descriptor.write(bytes, to: STDOUT_FILENO)
    } catch {
      firstError.store(max(error.code, 1), ordering: .relaxed)
    }
  }

  /// nil where all was written.
  package static var failure: Failure? {
    let code = firstError.load(ordering: .relaxed)
    return code == 0 ? nil : Failure(code: code)
  }
}
