import VARFuzzTargets
import VARSystem
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

func stop(_ message: String) -> Never {
  let text = "VARFuzz: \(message)\n"
  _ = write(STDERR_FILENO, text, text.utf8.count)
  exit(2)
}

/// The program's beginning where libFuzzer is not linked: it reads the inputs that are named, and says what became of
/// each. SwiftPM calls it so.
@_cdecl("VARFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafePointer<UnsafePointer<CChar>>) -> CInt {
  let words = (1..<Int(count)).map { String(cString: arguments[$0]) }
  switch words.first {
  case "targets": for target in FuzzTarget.all { print(target.name) }
  case "seeds" where words.count == 2: writeSeeds(to: words[1])
  case "files" where words.count == 3: writeFiles(of: words[1], to: words[2])
  case "read":
    for path in words.dropFirst() { read(path) }
    print("peak memory: \((ProcessMemory.peakByteCount() ?? 0) >> 20) MB")
  default: stop("targets | seeds FOLDER | files INPUT FOLDER | read INPUT...")
  }
  return 0
}

private func bytes(_ path: String) -> [UInt8] {
  do { return try Fixtures.readFile(path) } catch { stop("\(error)") }
}

private func read(_ path: String) {
  print("\(path): \(target.run(bytes(path)) ?? "accepted")")
}

private func writeFiles(of path: String, to folder: String) {
  for file in target.files(bytes(path)) { write(file.bytes, to: "\(folder)/\(file.name)") }
}

private func writeSeeds(to folder: String) {
  do {
    for (target, seeds) in try FuzzSeeds.all() {
      mkdir("\(folder)/\(target)", 0o777)
      for seed in seeds { write(seed.bytes, to: "\(folder)/\(target)/\(seed.name)") }
    }
  } catch { stop("\(error)") }
}

private func write(_ bytes: [UInt8], to path: String) {
  guard let file = fopen(path, "wb"), fwrite(bytes, 1, bytes.count, file) == bytes.count,
    fclose(file) == 0
  else { stop("\(path): cannot be written") }
}
