import TestSupport

/// The Python package, which reads a tape by the library and the transport.
struct PackageReader {
    private static let script = """
        import sys, tapeline

        def kilobytes(name):
            with open("/proc/self/status") as status:
                return next(int(line.split()[1]) for line in status if line.startswith(name))

        desk = tapeline.connect(sys.argv[1])
        rows, start = 0, kilobytes("VmRSS:")
        for batch in desk.trades(missing="mark", order="any"):
            rows += len(batch)
        print(rows, (kilobytes("VmHWM:") - start) / 1024)
        """
    private static let framing = """
        import sys, time
        sys.path.insert(0, sys.argv[1])
        import polars, tapeline

        def kilobytes(name):
            with open("/proc/self/status") as status:
                return next(int(line.split()[1]) for line in status if line.startswith(name))

        trades = tapeline.open(sys.argv[2]).trades(missing="mark", order="any")
        before, start = kilobytes("VmRSS:"), time.perf_counter()
        frame = trades.to_polars()
        print(len(frame), time.perf_counter() - start, (kilobytes("VmHWM:") - before) / 1024)
        """
    private let environment: [String: String]

    /// Makes the transport in a folder.
    init(library: String, in folder: TemporaryFolder) throws {
        let transport = folder.file("transport")
        try TestSupport.run(
            "/bin/bash", ["\(ServerPrograms.checkout)/deploy/local/transport.sh", transport])
        environment = [
            "PYTHONPATH": "\(ServerPrograms.checkout)/Sources/Desk/python",
            "PYTHONDONTWRITEBYTECODE": "1", "TAPELINE_DECODER": library,
            "TAPELINE_TRANSPORT": "\(transport)/libtapeline_transport.so",
            "TAPELINE_ARROW": "\(transport)/libtapeline_arrow.so",
            "MDS_NAMESPACE": "md", "MDS_PARTITIONS": "\(Market.partitions)",
        ]
    }

    /// Reads all trades of the tape, batch by batch. Returns how many there are, and the peak of
    /// memory of the process that read them, in MB above what it had before.
    func read(_ url: String) throws -> (rows: Int, megabytes: Double) {
        let said = try TestSupport.run(
            "/usr/bin/env", ["python3", "-c", Self.script, url], environment: environment)
        let words = said.split(separator: " ")
        guard words.count == 2, let rows = Int(words[0]), let megabytes = Double(words[1]) else {
            throw Unusable("the package says: \(said)")
        }
        return (rows, megabytes)
    }

    /// A frame of polars that was made of a recording.
    struct Frame {
        let rows: Int
        let seconds: Double
        /// The peak of memory of its process, above what that had before.
        let megabytes: Double
    }

    /// Makes a frame of all trades of a recording. It fails with the status of `engines.sh` if
    /// there is no polars.
    func frame(_ path: String) throws -> Frame {
        let said = try TestSupport.run(
            "/bin/bash",
            [
                "\(ServerPrograms.checkout)/deploy/local/engines.sh", "--of", "data", "-c",
                Self.framing,
                "\(ServerPrograms.checkout)/Sources/Desk/python", path,
            ], environment: environment)
        let words = said.split(separator: " ")
        guard words.count == 3, let rows = Int(words[0]), let seconds = Double(words[1]),
            let megabytes = Double(words[2])
        else { throw Unusable("the package says: \(said)") }
        return Frame(rows: rows, seconds: seconds, megabytes: megabytes)
    }
}
