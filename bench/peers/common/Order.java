import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/** What the works need of an event, and when the first was read. */
public class Order {
  public static final byte OTHER = 0, CREATED = 1, PICKED = 2, DELIVERED = 3;

  public byte type;
  public long time;
  public double prepSeconds;
  public int totalCents;
  public String orderId;
  public String storeId;

  /** Of the process, when the first record was read: System.nanoTime(), and nanoseconds of CPU. */
  static volatile long startedAt, startCpu;

  static long cpu() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
  }

  static synchronized void start() {
    if (startedAt != 0) return;
    startCpu = cpu();
    startedAt = System.nanoTime();
  }

  /** What the benchmark reads of a peer: one line of JSON. */
  static void report(long events, long results) {
    double seconds = (System.nanoTime() - startedAt) / 1e9, cpuSeconds = (cpu() - startCpu) / 1e9;
    System.out.printf(java.util.Locale.ROOT, "{\"events\":%d,\"results\":%d,\"seconds\":%.3f,\"cpuSeconds\":%.3f}%n",
        events, results, seconds, cpuSeconds);
  }

  /** Confluent wire format; not for several threads. */
  static class Decoder {
    private final Schema schema = schema();
    private final GenericDatumReader<GenericRecord> reader = new GenericDatumReader<>(schema, schema);
    private final int typeAt = schema.getField("type").pos(), timeAt = schema.getField("occurredAt").pos(),
        orderAt = schema.getField("orderId").pos(), storeAt = schema.getField("storeId").pos(),
        totalAt = schema.getField("totalCents").pos(), prepAt = schema.getField("prepSeconds").pos();
    private BinaryDecoder decoder;
    private GenericRecord record;

    private static Schema schema() {
      try {
        return new Schema.Parser().parse(Files.readString(Path.of(System.getProperty("schema"))));
      } catch (IOException error) {
        throw new RuntimeException(error);
      }
    }

    Order decode(byte[] bytes) {
      if (startedAt == 0) start();
      try {
        decoder = DecoderFactory.get().binaryDecoder(bytes, 5, bytes.length - 5, decoder);
        record = reader.read(record, decoder);
      } catch (IOException error) {
        throw new RuntimeException(error);
      }
      Order order = new Order();
      order.time = (Long) record.get(timeAt);
      order.prepSeconds = (Double) record.get(prepAt);
      order.totalCents = (Integer) record.get(totalAt);
      order.orderId = record.get(orderAt).toString();
      order.storeId = record.get(storeAt).toString();
      order.type = switch (record.get(typeAt).toString()) {
        case "ORDER_CREATED" -> CREATED;
        case "ORDER_PICKED" -> PICKED;
        case "ORDER_DELIVERED" -> DELIVERED;
        default -> OTHER;
      };
      return order;
    }
  }

  /** What a shuffle carries, without the store, which is its key. */
  byte[] rowBytes() {
    byte[] id = orderId.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(17 + id.length).put(type).putLong(time).putDouble(prepSeconds).put(id).array();
  }

  static Order ofRow(byte[] bytes) {
    ByteBuffer from = ByteBuffer.wrap(bytes);
    Order order = new Order();
    order.type = from.get();
    order.time = from.getLong();
    order.prepSeconds = from.getDouble();
    order.orderId = new String(bytes, 17, bytes.length - 17, StandardCharsets.UTF_8);
    return order;
  }

  boolean isTaken() {
    return type == DELIVERED && totalCents > 1000;
  }

  String json() {
    return "{\"orderId\":\"" + orderId + "\",\"storeId\":\"" + storeId + "\",\"totalCents\":" + totalCents + ",\"prepSeconds\":" + prepSeconds + "}";
  }
}
