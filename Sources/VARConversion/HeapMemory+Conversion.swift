import VARSystem

extension HeapMemory {
  /// Memory of a conversion.
  static func forConversion(_ byteCount: Int) throws(ConversionError) -> HeapMemory {
    do throws(SystemError) { return try HeapMemory(byteCount: byteCount) } catch {
      throw refusal(byteCount)
    }
  }

  /// Throws where the system has no memory for an array that is made right afterwards.
  static func requireForConversion(_ byteCount: Int) throws(ConversionError) {
    do throws(SystemError) { try require(byteCount) } catch { throw refusal(byteCount) }
  }

  fileprivate static func refusal(_ byteCount: Int) -> ConversionError {
    ConversionError(
      .notEnoughMemory, "the system",
      "gave no memory for \(byteCount) bytes; free memory, or raise the limit on it (ulimit -v)")
  }
}

extension ConversionError {
  /// The system has no memory for so many bytes.
  static func noMemory(_ byteCount: Int) -> ConversionError { HeapMemory.refusal(byteCount) }
}

extension AnonymousMemory {
  var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: base, count: byteCount)
  }

  /// Memory of a conversion that begins with a page.
  static func forConversion(_ byteCount: Int) throws(ConversionError) -> AnonymousMemory {
    guard let memory = AnonymousMemory(byteCount: byteCount) else {
      throw HeapMemory.refusal(byteCount)
    }
    return memory
  }
}
