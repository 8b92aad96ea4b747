import Foundation
import TestSupport
import Testing

@testable import DecoderLibraryTests

/// Other people's readers of Arrow, on the library as a program of another language loads it.
@Suite("The library in Python, with pyarrow and polars")
struct ForeignReaderTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let root = folder.deletingLastPathComponent().deletingLastPathComponent()
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    @Test("both read trades, quotes and gaps, and hear of holes")
    func read() throws {
        let fixture = try DecoderFixture(packets: 70, trades: 1_000, holes: 1)
        let library = fixture.folder.file("libtapeline_decoder.so")
        let scripts = Self.root.appendingPathComponent("deploy/local").path
        _ = try run(
            "/bin/bash", ["\(scripts)/decoder.sh", "--debug", ProductPrograms.folder, library])
        let script = Self.folder.appendingPathComponent("read_columns.py").path
        do {
            let output = try run(
                "/bin/bash", ["\(scripts)/engines.sh", script, library, fixture.path])
            #expect(output.contains("all of it was read"))
        } catch let failure as ProgramFailure where failure.status == Self.absent {
            print("nothing was read with pyarrow and polars: \(failure.message)")
        }
    }
}
