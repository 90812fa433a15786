import CVARFuzzDriver
import VARFuzzTargets

/// The target of this process, which `VARFUZZ_TARGET` names: libFuzzer has arguments of its own.
let target: FuzzTarget = {
  guard let name = environment("VARFUZZ_TARGET"), let target = FuzzTarget.named(name) else {
    stop("VARFUZZ_TARGET names no target: \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
  }
  return target
}()

/// libFuzzer asks for this: reads one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ input: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  target.run(Array(UnsafeBufferPointer(start: input, count: count)))
  return 0
}

/// libFuzzer asks for this: makes of one input the next one.
@_cdecl("LLVMFuzzerCustomMutator")
public func change(
  _ input: UnsafeMutablePointer<UInt8>?, _ count: Int, _ capacity: Int, _ seed: CUnsignedInt
) -> Int {
  var change = FuzzChange(capacity: capacity, seed: UInt64(seed)) { bytes, capacity in
    var buffer = bytes.prefix(capacity) + repeatElement(0, count: max(0, capacity - bytes.count))
    let count = buffer.withUnsafeMutableBufferPointer {
      cvarfuzz_mutate($0.baseAddress, min(bytes.count, capacity), capacity)
    }
    return Array(buffer.prefix(count))
  }
  let bytes = target.change(Array(UnsafeBufferPointer(start: input, count: count)), &change)
  guard let input, bytes.count <= capacity else { return count }
  for (index, byte) in bytes.enumerated() { input[index] = byte }
  return bytes.count
}
