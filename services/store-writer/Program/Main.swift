import StoreWriter

@main
enum Program {
    static func main() { StoreWriter.Main.run() }
}
