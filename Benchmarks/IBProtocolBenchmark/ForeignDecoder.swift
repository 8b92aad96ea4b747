internal import Foundation
import TestSupport

/// Runs ib_async's decoder over the same bytes, in reads of the same size.
struct ForeignDecoder {
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    private let folder: TemporaryFolder
    private let readBytes: Int

    init(_ stream: [UInt8], readBytes: Int) throws {
        folder = try TemporaryFolder("decoders")
        self.readBytes = readBytes
        try Data(stream).write(to: URL(fileURLWithPath: folder.file("stream")))
    }

    /// Returns the number of messages, and the processor time in nanoseconds. If the decoder is not
    /// available here, prints the reason and returns `nil`.
    func run() throws -> (messages: Int, nanoseconds: Double)? {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let root = here.deletingLastPathComponent().deletingLastPathComponent()
        do {
            let answer = try TestSupport.run(
                "/bin/bash",
                [
                    root.appendingPathComponent("deploy/local/engines.sh").path, "--of",
                    "ib-clients", here.appendingPathComponent("decode_ib_async.py").path,
                    folder.file("stream"), "\(readBytes)",
                ], environment: ["PYTHONDONTWRITEBYTECODE": "1"])
            let words = answer.split(separator: " ").compactMap { Double($0) }
            guard words.count == 2 else { throw IBProtocolBenchmark.Unusable() }
            return (Int(words[0]), words[1])
        } catch let failure as ProgramFailure where failure.status == Self.absent {
            print("ib_async was not measured: \(failure.message)")
            return nil
        }
    }
}
