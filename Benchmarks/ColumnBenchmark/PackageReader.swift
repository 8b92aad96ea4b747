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
}
