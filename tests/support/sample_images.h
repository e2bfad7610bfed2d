/* sample_images - a small model of images of 2 x 2 pixels from 0 to 9, named glyphs, as a file, and images
 * for it.
 * Layer: tests/support
 * Threads: confined.
 * Memory: none that stays. */
#ifndef TESTS_SUPPORT_SAMPLE_IMAGES_H
#define TESTS_SUPPORT_SAMPLE_IMAGES_H

/* Ends the program where it cannot: call it before failures are asked for. */
void sample_images_write(const char *path);

#define SAMPLE_IMAGE_ONE "[[0,9],[1,2]]"
#define SAMPLE_IMAGE_TWO "[[5,0],[7,7]]"
#define SAMPLE_SUPPORT                                                                                       \
    "{\"images\":[" SAMPLE_IMAGE_ONE "," SAMPLE_IMAGE_TWO "," SAMPLE_IMAGE_ONE                               \
    "],\"classes\":[\"a\",\"b\",\"a\"]}"

#endif
