import Testing
import VARKernels

@Suite struct ByteCountTests {
  @Test(arguments: [
    ("1", 1), ("4096", 4096), ("512k", 512 << 10), ("384M", 384 << 20), ("2G", 2 << 30),
    ("1.5G", 3 << 29), ("0.5m", 512 << 10), ("2g", 2 << 30),
  ])
  func amountsAreRead(text: String, bytes: Int) {
    #expect(ByteCount(text: text)?.bytes == bytes)
  }

  @Test(arguments: [
    "", "0", "G", "-1", "-1G", "1T", "1 G", "1e9", "0x10", "1.5", ".5G", "1.G", "1.2.3G", "nan",
    "inf", "9223372036854775807G", "8796093022208M", "0.0000000001k",
  ])
  func everythingElseIsRefused(text: String) {
    #expect(ByteCount(text: text) == nil)
  }

  @Test(arguments: [
    (7, "7 bytes"), (2048, "2 KiB"), (640 << 20, "640 MiB"), (3 << 29, "1.50 GiB"),
    (1023 << 20 | 900 << 10, "1.00 GiB"), ((1 << 30) * 105 / 100, "1.05 GiB"),
  ])
  func amountsAreShort(bytes: Int, text: String) {
    #expect(ByteCount(bytes).text == text)
  }
}
