import VARSystem

/// The pages that weights lie in. Reading speeds differ, so probes and runs use the same kind.
package enum PageKind: String, Sendable, CaseIterable {
  /// Anonymous memory in huge pages where the system has them.
  case huge
  /// Anonymous memory in small pages.
  case small
  /// A mapped file in the page cache, as the weights of a real model are.
  case file
}

/// One block of memory in pages of one kind, filled with bytes that repeat no shorter than 1 MiB.
final class PageMemory {
  let base: UnsafeMutableRawPointer
  let byteCount: Int
  /// What the bytes belong to.
  private let owner: AnyObject

  /// - Parameter temporaryFolder: where the file of the kind `file` lies, without a name.
  init(
    byteCount wanted: Int, kind: PageKind, temporaryFolder: String
  ) throws(BenchmarkError) {
    let hugePage = AnonymousMemory.hugePageBytes
    byteCount = (max(wanted, 1) + hugePage - 1) / hugePage * hugePage
    guard kind == .file else {
      guard let memory = AnonymousMemory(byteCount: byteCount, isHuge: kind == .huge) else {
        throw Self.noMemory(byteCount)
      }
      base = memory.base
      owner = memory
      return
    }
    do throws(SystemError) {
      let memory = try UnnamedFileMemory(byteCount: byteCount, in: temporaryFolder)
      base = memory.base
      owner = memory
    } catch {
      switch error.attempt {
      case .create:
        throw BenchmarkError(.outOfMemory, "\(temporaryFolder): cannot make a file; set TMPDIR")
      case .reserve:
        throw BenchmarkError(
          .outOfMemory,
          "\(temporaryFolder): no space for \(byteCount) bytes; set TMPDIR, or take huge pages")
      default: throw Self.noMemory(byteCount)
      }
    }
  }

  private static func noMemory(_ byteCount: Int) -> BenchmarkError {
    BenchmarkError(
      .outOfMemory, "the system refused \(byteCount >> 20) MiB; take a smaller shape")
  }
}
