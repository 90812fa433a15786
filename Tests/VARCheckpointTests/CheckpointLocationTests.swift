import Testing
import VARCheckpoint
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Paths that name a place one level off, and files that are not what their names say.
@Suite struct CheckpointLocationTests {
  private let directory = TemporaryDirectory()

  private static let shard = safetensors(
    #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, dataByteCount: 4)

  private func fault(_ name: String) -> CheckpointError? {
    do {
      _ = try Checkpoint(path: directory.file(name))
      return nil
    } catch {
      return error
    }
  }

  private func makeFolders(_ names: String...) {
    for name in names { directory.makeDirectory(name) }
  }

  /// A cache folder of the hub with two snapshots, of which the files are links as there.
  private func makeCache() {
    makeFolders("m", "m/blobs", "m/refs", "m/snapshots", "m/snapshots/aaa", "m/snapshots/bbb")
    directory.write("m/blobs/1", Self.shard)
    for snapshot in ["aaa", "bbb"] {
      let link = directory.file("m/snapshots/\(snapshot)/model.safetensors")
      #expect(symlink("../../blobs/1", link) == 0)
    }
    directory.write("m/snapshots/bbb/config.json", "{}")
  }

  @Test(arguments: ["bbb", "bbb\n"]) func aCacheFolderStandsForItsMainSnapshot(
    revision: String
  ) throws {
    makeCache()
    directory.write("m/refs/main", revision)
    for path in ["m", "m/"] {
      let checkpoint = try Checkpoint(path: directory.file(path))
      #expect(checkpoint.directory == directory.file("m/snapshots/bbb"))
      #expect(checkpoint.tensors.map(\.name) == ["x"])
    }
  }

  @Test func whatACacheFolderLacksIsSaid() throws {
    makeCache()
    let several = try #require(fault("m"))
    #expect(several.code == .missingFile)
    #expect(several.detail.contains("snapshots/aaa") && several.detail.contains("snapshots/bbb"))
    directory.write("m/refs/main", "ccc")
    #expect(fault("m")?.detail.contains("names the snapshot ccc") == true)
    makeFolders("e", "e/snapshots")
    #expect(fault("e")?.detail.contains("without a snapshot") == true)
    makeFolders("e/snapshots/one")
    #expect(fault("e")?.detail.contains("holds no weights") == true)
    directory.write("e/snapshots/one/model.safetensors", Self.shard)
    #expect(fault("e") == nil)
  }

  @Test func aFolderAroundCheckpointsNamesThem() {
    makeFolders("hub", "hub/models--a--b", "hub/models--a--b/snapshots", "hub/other", "hub/none")
    directory.write("hub/other/model.safetensors", Self.shard)
    let fault = fault("hub")
    #expect(fault?.code == .missingFile)
    #expect(fault?.detail.contains("hub/models--a--b, ") == true)
    #expect(fault?.detail.hasSuffix("hub/other") == true)
  }

  @Test func anIndexAShardAndTheConfigurationStandForTheirFolder() throws {
    makeFolders("s")
    directory.write("s/config.json", "{}")
    let index = #"{"weight_map":{"x":"model-00001-of-00002.safetensors","y":"b.safetensors"}}"#
    directory.write("s/model.safetensors.index.json", index)
    directory.write("s/model-00001-of-00002.safetensors", Self.shard)
    directory.write(
      "s/b.safetensors",
      safetensors(
        #"{"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, dataByteCount: 4))
    for name in [
      "s", "s/model.safetensors.index.json", "s/config.json", "s/model-00001-of-00002.safetensors",
    ] {
      let checkpoint = try Checkpoint(path: directory.file(name))
      #expect(checkpoint.directory == directory.file("s"))
      #expect(checkpoint.tensors.map(\.name) == ["x", "y"], "\(name)")
    }
    #expect(try Checkpoint(path: directory.file("s/b.safetensors")).tensors.map(\.name) == ["y"])
  }

  private static let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"

  @Test(
    arguments: ["model.safetensors", "pytorch_model.bin"],
    [
      (pointer, "is a Git LFS pointer, not the file itself; fetch that with: git lfs pull"),
      ("<!DOCTYPE html>\n<html>", "is a web page (HTML)"), ("\n <HTML lang=en>", "is a web page"),
      ("<?xml version=\"1.0\"?><Error>", "is a web page"),
      ("Entry not found", "\"Entry not found\" of a download that failed"),
    ])
  func whatStandsInThePlaceOfWeightsIsNamed(name: String, content: (String, String)) {
    directory.write(name, content.0)
    let fault = fault("")
    #expect(fault?.code == .unsupportedFormat)
    #expect(fault?.detail.contains(content.1) == true, "\(fault?.detail ?? "")")
  }

  @Test func whatStandsInThePlaceOfSmallFilesIsNamed() throws {
    directory.write("model.safetensors", Self.shard)
    let checkpoint = try Checkpoint(path: directory.path)
    for (content, text) in [
      (Self.pointer, "git lfs pull"), ("<html>", "web page"), ("{", "(byte 1)"),
    ] {
      directory.write("config.json", content)
      #expect {
        try checkpoint.configuration()
      } throws: {
        ($0 as? CheckpointError)?.code == .malformedJSON && "\($0)".contains(text)
      }
    }
    directory.write("chat_template.jinja", Self.pointer)
    #expect(throws: CheckpointError.self) { try checkpoint.chatTemplate() }
  }

  @Test func theTemplateIsFoundInEveryPlace() throws {
    directory.write("model.safetensors", Self.shard)
    let checkpoint = try Checkpoint(path: directory.path)
    #expect(try checkpoint.chatTemplate() == nil)
    let named = #"[{"name":"tools","template":"t"},{"name":"default","template":"d"}]"#
    directory.write("tokenizer_config.json", #"{"chat_template":\#(named)}"#)
    #expect(try checkpoint.chatTemplate() == "d")
    directory.write("tokenizer_config.json", #"{"chat_template":"a"}"#)
    #expect(try checkpoint.chatTemplate() == "a")
    directory.write("chat_template.json", #"{"chat_template":"b"}"#)
    #expect(try checkpoint.chatTemplate() == "b")
    directory.write("chat_template.jinja", "\u{FEFF}c\n")
    #expect(try checkpoint.chatTemplate() == "c\n")
  }
}
